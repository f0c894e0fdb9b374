//! What an instance of a room says to the others, and back.

use std::sync::Arc;

use media::{Bitrate, Layer};
use sfu::{
    ConnectionQuality, DataFrame, Destinations, Identity, LeaveReason, LinkNews, Message, Nonce,
    Quality, Reliability, Setup, Supply, VideoQuality,
};

use super::form::{self, news::What};
use super::{TellingError, people};
use crate::{info, proto, reason};

pub(super) fn write(news: &LinkNews) -> form::News {
    let what = match news {
        LinkNews::Changed(linked) => What::Changed(Box::new(people::write(linked))),
        LinkNews::Gone(participant, reason) => What::Gone(form::Gone {
            participant: participant.to_string(),
            reason: reason::disconnect_reason(*reason),
        }),
        LinkNews::Supply(supply) => What::Supply(form::Supply {
            track: supply.track.to_string(),
            live: supply.live.iter().map(|layer| layer.0.into()).collect(),
            rates: supply
                .rates
                .iter()
                .map(|rate| rate.map_or(0, |it| it.0))
                .collect(),
        }),
        LinkNews::Quality(quality) => What::Quality(form::Quality {
            participant: quality.participant.to_string(),
            quality: match quality.quality {
                Quality::Lost => proto::ConnectionQuality::Lost,
                Quality::Poor => proto::ConnectionQuality::Poor,
                Quality::Good => proto::ConnectionQuality::Good,
                Quality::Excellent => proto::ConnectionQuality::Excellent,
            }
            .into(),
            score: quality.score,
        }),
        LinkNews::Demand { track, quality } => What::Demand(form::Demand {
            track: track.to_string(),
            quality: match quality {
                VideoQuality::Low => proto::VideoQuality::Low,
                VideoQuality::Medium => proto::VideoQuality::Medium,
                VideoQuality::High => proto::VideoQuality::High,
            }
            .into(),
        }),
        LinkNews::Data {
            from,
            message,
            nonce,
        } => {
            let Destinations { identities, sids } = &message.destinations;
            What::Data(form::Data {
                from: from.map(|from| from.to_string()).unwrap_or_default(),
                lossy: message.reliability == Reliability::Lossy,
                identities: identities.iter().map(|it| it.0.to_string()).collect(),
                participants: sids.iter().map(ToString::to_string).collect(),
                sequence: message.sequence,
                payload: message.payload.clone(),
                nonce: nonce.map(|nonce| nonce.to_vec()).unwrap_or_default().into(),
            })
        }
        LinkNews::Frame { from, frame } => What::Frame(form::Frame {
            from: from.to_string(),
            handle: frame.handle.into(),
            number: frame.number.into(),
            bytes: frame.bytes.clone(),
        }),
        LinkNews::Room(setup) => What::Setup(Box::new(form::Setup {
            edition: setup.edition,
            room: Some(info::room(&setup.room)),
            playing: Some(people::write_playing(setup.room.playing)),
        })),
        LinkNews::Received(track) => What::Received(track.to_string()),
        LinkNews::Undecodable(track) => What::Undecodable(track.to_string()),
        LinkNews::Kept => What::Kept(form::Kept {}),
        LinkNews::Closed(reason) => What::Closed(form::Closed {
            reason: reason::disconnect_reason(*reason),
        }),
    };
    form::News { what: Some(what) }
}

pub(super) fn read(news: form::News) -> Result<LinkNews, TellingError> {
    Ok(match news.what.ok_or(TellingError::Unknown)? {
        What::Changed(linked) => LinkNews::Changed(people::read(*linked)?),
        What::Gone(gone) => LinkNews::Gone(
            id(&gone.participant, "participant")?,
            reason::leave_reason(gone.reason).unwrap_or(LeaveReason::ClientInitiated),
        ),
        What::Supply(supply) => LinkNews::Supply(read_supply(&supply)?),
        What::Quality(quality) => LinkNews::Quality(ConnectionQuality {
            participant: id(&quality.participant, "participant")?,
            quality: match proto::ConnectionQuality::try_from(quality.quality) {
                Ok(proto::ConnectionQuality::Lost) => Quality::Lost,
                Ok(proto::ConnectionQuality::Poor) => Quality::Poor,
                Ok(proto::ConnectionQuality::Good) => Quality::Good,
                Ok(proto::ConnectionQuality::Excellent) => Quality::Excellent,
                Err(_) => return Err(TellingError::Missing("quality")),
            },
            score: quality.score,
        }),
        What::Demand(demand) => LinkNews::Demand {
            track: id(&demand.track, "track")?,
            quality: match proto::VideoQuality::try_from(demand.quality) {
                Ok(proto::VideoQuality::Low) => VideoQuality::Low,
                Ok(proto::VideoQuality::Medium) => VideoQuality::Medium,
                Ok(proto::VideoQuality::High) => VideoQuality::High,
                Ok(proto::VideoQuality::Off) | Err(_) => {
                    return Err(TellingError::Missing("quality"));
                }
            },
        },
        What::Data(data) => read_data(data)?,
        What::Frame(frame) => LinkNews::Frame {
            from: id(&frame.from, "publisher")?,
            frame: DataFrame {
                handle: number(frame.handle, "handle")?,
                number: number(frame.number, "number")?,
                bytes: frame.bytes,
            },
        },
        What::Setup(setup) => {
            let room = setup.room.ok_or(TellingError::Missing("room"))?;
            LinkNews::Room(Setup {
                edition: setup.edition,
                room: Arc::new(people::whole_room(&room, setup.playing)?),
            })
        }
        What::Received(track) => LinkNews::Received(id(&track, "track")?),
        What::Undecodable(track) => LinkNews::Undecodable(id(&track, "track")?),
        What::Kept(form::Kept {}) => LinkNews::Kept,
        What::Closed(closed) => LinkNews::Closed(
            reason::leave_reason(closed.reason).unwrap_or(LeaveReason::RoomDeleted),
        ),
    })
}

fn read_supply(supply: &form::Supply) -> Result<Supply, TellingError> {
    let live = Layer::ALL
        .into_iter()
        .filter(|layer| supply.live.contains(&layer.0.into()));
    let rate = |layer: Layer| {
        let rate = supply
            .rates
            .get(layer.index())
            .copied()
            .filter(|rate| *rate > 0);
        rate.map(Bitrate)
    };
    Ok(Supply {
        track: id(&supply.track, "track")?,
        live: live.collect(),
        rates: Layer::ALL.map(rate),
    })
}

fn read_data(data: form::Data) -> Result<LinkNews, TellingError> {
    let sids = data.participants.iter().map(|sid| id(sid, "destination"));
    let identities = data.identities.into_iter();
    let nonce = match data.nonce.len() {
        0 => None,
        _ => Some(Nonce::try_from(&data.nonce[..]).map_err(|_| TellingError::Missing("nonce"))?),
    };
    Ok(LinkNews::Data {
        from: match data.from.as_str() {
            "" => None,
            from => Some(id(from, "sender")?),
        },
        message: Message {
            reliability: if data.lossy {
                Reliability::Lossy
            } else {
                Reliability::Reliable
            },
            destinations: Destinations {
                identities: identities.map(|name| Identity(name.into())).collect(),
                sids: sids.collect::<Result<_, _>>()?,
            },
            sequence: data.sequence,
            payload: data.payload,
        },
        nonce,
    })
}

fn id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, TellingError> {
    text.parse().map_err(|_| TellingError::Missing(what))
}

fn number(number: u32, what: &'static str) -> Result<u16, TellingError> {
    u16::try_from(number).map_err(|_| TellingError::Missing(what))
}
