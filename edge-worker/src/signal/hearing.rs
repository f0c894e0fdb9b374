//! What a client says: read, and passed on to its shard or answered here.

use std::time::Instant;

use axum::extract::ws::{Message, close_code};
use livekit::signal::{self as wire, Request, Response};
use sfu::LeaveReason;
use tracing::{debug, info};
use transport::sdp::{Description, SdpKind};

use super::{Connection, Ending, unix_now};
use crate::ids;
use crate::shard::{ToShard, Wish};

impl Connection {
    /// Does what the client says.
    pub(super) async fn hear(&mut self, frame: Message) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        // Pings of the WebSocket, too: each is answered.
        if !self.rate.allows(self.heard_at) {
            return Err(self.expel("too_many", close_code::POLICY, "too many messages"));
        }
        let raw = match &frame {
            Message::Binary(bytes) => wire::RawFrame::Binary(bytes),
            Message::Text(text) => wire::RawFrame::Text(text.as_str()),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ending::Lost),
        };
        self.format = raw.format();
        let request = wire::decode(raw).map_err(|error| {
            debug!(%error, "unreadable message");
            self.expel(
                "unreadable",
                close_code::UNSUPPORTED,
                "not a signal request",
            )
        })?;
        self.grant(request).await
    }

    async fn grant(&mut self, request: Request) -> Result<(), Ending> {
        match request {
            Request::Offer(offer) => {
                let description = self.read_sdp(SdpKind::Offer, &offer.sdp)?;
                self.wish(Wish::Offer {
                    id: offer.id,
                    description,
                })
            }
            Request::Answer(answer) => {
                let description = self.read_sdp(SdpKind::Answer, &answer.sdp)?;
                self.wish(Wish::Answer {
                    id: answer.id,
                    description,
                })
            }
            Request::AddTrack(track) => match track.publication(&ids::random_suffix()) {
                Ok(publication) => {
                    self.wish(Wish::Command(sfu::Command::Publish(Box::new(publication))))
                }
                Err(refusal) => {
                    self.refuse(&Response::refused_publish(track.cid(), refusal))
                        .await
                }
            },
            Request::Command(command) => self.wish(Wish::Command(command)),
            Request::Refused(response) => self.refuse(&response).await,
            Request::Leave(reason) => Err(Ending::Left(reason)),
            Request::Ping => {
                self.say(&Response::pong(unix_now().as_millis() as i64))
                    .await
            }
            Request::PingReq { timestamp, .. } => {
                let now = unix_now().as_millis() as i64;
                self.say(&Response::pong_resp(timestamp, now)).await
            }
            // An ICE-lite side sends to no candidate: the client's checks tell its address.
            Request::Trickle(_) => Ok(()),
            Request::SyncState(state) => self.wish(Wish::Sync(state)),
            Request::Simulate(scenario) => self.wish(Wish::Simulate(scenario)),
            Request::Unsupported(unsupported) => {
                debug!(what = unsupported.what(), "not served");
                match unsupported.answer() {
                    Some(answer) => self.refuse(&answer).await,
                    None => Ok(()),
                }
            }
            Request::Unknown => Ok(()),
        }
    }

    fn read_sdp(&mut self, kind: SdpKind, text: &str) -> Result<Description, Ending> {
        if !self.descriptions.allows(self.heard_at) {
            let why = "too many descriptions";
            return Err(self.expel("too_many_descriptions", close_code::POLICY, why));
        }
        Description::parse(kind, text).map_err(|error| {
            info!(%error, "the client's SDP cannot be read");
            self.expel("sdp", close_code::INVALID, "the description is not SDP")
        })
    }

    pub(super) fn wish(&self, wish: Wish) -> Result<(), Ending> {
        let (Some(shard), Some(participant)) = (&self.shard, self.participant) else {
            return Ok(());
        };
        let message = ToShard::Wish {
            participant,
            signal: self.key,
            wish: Box::new(wish),
        };
        shard.send(message).map_err(|_| {
            self.expel(
                "shard_full",
                close_code::AGAIN,
                "this node has too much to do",
            )
        })
    }

    pub(super) fn unreadable(&self, error: &axum::Error) -> Ending {
        use std::error::Error as _;
        let too_large = error
            .source()
            .is_some_and(|cause| cause.to_string().contains("too long"));
        debug!(%error, "the WebSocket broke");
        if too_large {
            self.expel(
                "too_large",
                close_code::SIZE,
                "a message is larger than 2 MiB",
            )
        } else {
            Ending::Lost
        }
    }

    fn expel(&self, label: &str, code: u16, why: &'static str) -> Ending {
        self.node
            .metrics
            .signal_errors
            .with_label_values(&[label])
            .inc();
        Ending::Expelled {
            code,
            why,
            reason: LeaveReason::StateMismatch,
        }
    }
}
