//! WHIP (RFC 9725) and WHEP over HTTP: an offer is posted and answered, and what was begun is ended
//! by deleting it. The token is LiveKit's, as the bearer's.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use livekit::join::{JoinError, JoinRequest, Purpose};
use livekit::signal::DescribedTrack;
use media::{MediaKind, ParticipantId};
use transport::sdp::{Description, SdpKind, Section, SectionKind};

use super::rtc::{self, Refusal};
use crate::node::Node;
use crate::whip::{NotIn, Resource, Visit};

/// Where to publish.
pub(super) const WHIP: &str = "/whip/v1";
/// Where to watch.
pub(super) const WHEP: &str = "/whep/v1";
/// Larger offers are refused.
pub(super) const LONGEST_OFFER: usize = 64 << 10;

const SDP: &str = "application/sdp";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Whoever finds nothing to watch looks again after so many seconds.
const AGAIN_S: &str = "2";

/// Why a request is refused.
enum Refused {
    /// As those are who join over a WebSocket.
    Join(Refusal),
    /// It is not in.
    NotIn(NotIn),
    /// The body is of another type.
    Type(&'static str),
    /// The body is not SDP.
    Sdp,
    /// Nothing is sent, or received, by this offer.
    Empty,
    /// Nothing of that name, or not the caller's.
    Unknown,
    /// ICE restarts are not done.
    Restart,
}

pub(super) async fn publish(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let published = begin(&node, &headers, body, Role::Publisher).await;
    published.unwrap_or_else(IntoResponse::into_response)
}

pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let watched = begin(&node, &headers, body, Role::Watcher).await;
    watched.unwrap_or_else(IntoResponse::into_response)
}

pub(super) async fn end(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let ended = find(&node, &name, &headers).and_then(|(participant, resource)| {
        resource.end(participant).map_err(Refused::NotIn)?;
        Ok(StatusCode::OK.into_response())
    });
    ended.unwrap_or_else(IntoResponse::into_response)
}

/// Candidates of the client are not needed: its checks tell where it is.
pub(super) async fn trickle(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let taken = find(&node, &name, &headers).and_then(|(_, resource)| {
        has_type(&headers, FRAGMENT)?;
        let ufrag = body
            .lines()
            .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"));
        match ufrag {
            Some(ufrag) if ufrag != resource.ufrag => Err(Refused::Restart),
            Some(_) | None => Ok(StatusCode::NO_CONTENT.into_response()),
        }
    });
    taken.unwrap_or_else(IntoResponse::into_response)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Publisher,
    Watcher,
}

async fn begin(
    node: &Arc<Node>,
    headers: &HeaderMap,
    body: String,
    role: Role,
) -> Result<Response, Refused> {
    let claims = rtc::claims(node, headers, None)?;
    has_type(headers, SDP)?;
    let offer = Description::parse(SdpKind::Offer, &body).map_err(|_| Refused::Sdp)?;
    let ufrag = offer
        .sections
        .iter()
        .find_map(|it| it.transport.ufrag.clone());
    let ufrag = ufrag.or(offer.transport.ufrag.clone());
    let purpose = match role {
        Role::Publisher => Purpose::Publish {
            offer: body,
            tracks: tracks(&offer),
        },
        Role::Watcher => Purpose::Watch,
    };
    let shows = match &purpose {
        Purpose::Publish { tracks, .. } => !tracks.is_empty(),
        Purpose::Watch => offer.sections.iter().any(receives),
    };
    if !shows {
        return Err(Refused::Empty);
    }
    let mut request = JoinRequest::without_signalling(purpose);
    let agent = rtc::text(headers, USER_AGENT);
    request
        .client
        .fill_from_user_agent(agent.unwrap_or_default());
    let guest = rtc::let_in(node, claims, request)?;
    let permission = &guest.admission.permission;
    let allowed = match role {
        Role::Publisher => permission.can_publish,
        Role::Watcher => permission.can_subscribe,
    };
    if !allowed {
        return Err(Refused::Join(JoinError::NotAllowed.into()));
    }
    let slots = Arc::clone(&node.signal_slots);
    let slot = slots.try_acquire_owned();
    let slot = slot.map_err(|_| Refused::Join(JoinError::NodeFull.into()))?;
    let mut visit = Visit::begin(node, &guest).await?;
    if role == Role::Watcher {
        visit.offer(offer).await?;
    }
    let answer = visit.answer().await?;
    let path = match role {
        Role::Publisher => WHIP,
        Role::Watcher => WHEP,
    };
    let location = format!("{path}/{}", visit.participant);
    let ufrag = ufrag.unwrap_or_default();
    visit.stay(node, &guest, ufrag, slot).await?;
    let headers = [
        (CONTENT_TYPE, SDP.to_owned()),
        (LOCATION, location),
        (ACCEPT_PATCH, FRAGMENT.to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, answer.to_string()).into_response())
}

/// What the caller began under this name.
fn find(
    node: &Node,
    name: &str,
    headers: &HeaderMap,
) -> Result<(ParticipantId, Resource), Refused> {
    let claims = rtc::claims(node, headers, None)?;
    let participant: ParticipantId = name.parse().map_err(|_| Refused::Unknown)?;
    let resource = node.resources.find(participant).ok_or(Refused::Unknown)?;
    let own = claims.video.room == resource.room && claims.identity() == &*resource.identity.0;
    own.then_some((participant, resource))
        .ok_or(Refused::Unknown)
}

fn has_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Refused> {
    let given = rtc::text(headers, CONTENT_TYPE).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(Refused::Type(expected))
    }
}

/// What an offer sends.
fn tracks(offer: &Description) -> Vec<DescribedTrack> {
    let sending = offer.sections.iter().enumerate();
    sending
        .filter(|(_, section)| !section.is_rejected() && section.direction.sends())
        .filter_map(|(index, section)| {
            let kind = kind_of(section)?;
            let named = section.msids.first().map(|msid| msid.track.clone());
            let stereo = |key| {
                let mut codecs = section.codecs.iter();
                codecs.any(|codec| codec.parameter(key) == Some("1"))
            };
            Some(DescribedTrack {
                cid: named
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| format!("section-{index}")),
                kind,
                encodings: section.rids.len().max(1),
                channels: if stereo("stereo") || stereo("sprop-stereo") {
                    2
                } else {
                    1
                },
            })
        })
        .collect()
}

fn receives(section: &Section) -> bool {
    !section.is_rejected() && section.direction.receives() && kind_of(section).is_some()
}

fn kind_of(section: &Section) -> Option<MediaKind> {
    match section.kind {
        SectionKind::Audio => Some(MediaKind::Audio),
        SectionKind::Video => Some(MediaKind::Video),
        SectionKind::Application | SectionKind::Other(_) => None,
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Join(refusal)
    }
}

impl From<NotIn> for Refused {
    fn from(why: NotIn) -> Self {
        Self::NotIn(why)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Join(refusal) => refusal.into_response(),
            Self::NotIn(why) => {
                let status = match why {
                    NotIn::Refused | NotIn::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                    NotIn::Unanswerable => StatusCode::NOT_ACCEPTABLE,
                    NotIn::NothingToWatch => StatusCode::CONFLICT,
                };
                (status, [(RETRY_AFTER, AGAIN_S)], why.to_string()).into_response()
            }
            Self::Type(expected) => {
                let text = format!("the body has to be {expected}");
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response()
            }
            Self::Sdp => (StatusCode::BAD_REQUEST, "the offer is not SDP").into_response(),
            Self::Empty => {
                let text = "the offer neither sends nor receives what it was posted for";
                (StatusCode::BAD_REQUEST, text).into_response()
            }
            Self::Unknown => {
                (StatusCode::NOT_FOUND, "nothing of that name is yours").into_response()
            }
            Self::Restart => {
                let text = "ICE is not restarted here: end this and post a new offer";
                (StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
            }
        }
    }
}
