//! A link between rooms of this node: what its ends say to each other, and the media in
//! between. Media has a queue of its own, which drops what does not fit, and buffers
//! that go to and fro; everything else goes through the shards' inboxes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use livekit::room_service::{Answer, Failure};
use media::{Layer, Packet, SenderReport};
use sfu::{Carried, LeaveReason, LinkKey, Linked, TrackKey, VideoQuality};
use tokio::sync::oneshot;

use super::inbox::ShardInbox;
use crate::directory::Place;
use crate::opening::NewRoom;

/// Somebody shall appear in a room of this shard.
#[derive(Debug)]
pub(crate) struct Extension {
    /// The link it comes over.
    pub(super) link: LinkKey,
    /// Where to, and by which parts.
    pub(super) destination: Destination,
    /// Who, as it is now.
    pub(super) linked: Linked,
    /// The shard it is connected to.
    pub(super) near: ShardInbox,
    /// Its media.
    pub(super) media: Unloading,
    /// To whoever asked for it.
    pub(super) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// Where somebody shall appear besides.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The shard of the room.
    pub(crate) shard: ShardInbox,
    /// The room, should it have to be made.
    pub(crate) room: NewRoom,
    /// Keeps the room on that shard.
    pub(crate) place: Place,
    /// Milliseconds since 1970.
    pub(crate) now_ms: i64,
}

/// What one end of a link tells the other.
#[derive(Clone, Debug)]
pub(crate) enum LinkMessage {
    /// Who appears at the far end has changed.
    Changed(Arc<Linked>),
    /// It is gone: so is the link.
    Gone(LeaveReason),
    /// Media waits in the link's queue.
    Loaded,
    /// The far end wants this of a picture.
    Wants {
        /// As the near end calls it.
        track: TrackKey,
        /// Its best quality; `None` if nobody wants it.
        quality: Option<VideoQuality>,
    },
    /// The far end needs a keyframe.
    Asks {
        /// As the near end calls it.
        track: TrackKey,
        /// Of this layer.
        layer: Layer,
    },
    /// The link is over at its far end.
    Ended,
}

impl LinkMessage {
    /// Whether what `older` said means nothing any more once this is said.
    pub(super) fn supersedes(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Gone(_) | Self::Ended, _) | (Self::Changed(_), Self::Changed(_)) => true,
            (Self::Wants { track, .. }, Self::Wants { track: other, .. }) => track == other,
            (Self::Changed(_) | Self::Wants { .. } | Self::Loaded | Self::Asks { .. }, _) => false,
        }
    }
}

/// A quarter of a second of three layers and sound.
const MOST_WAITING: usize = 512;

/// Buffers kept to be used again: fewer than are under way at worst.
const MOST_SPARE: usize = 64;

/// Media of one link on its way, its payload in a buffer of its own.
#[derive(Debug)]
struct Parcel {
    track: TrackKey,
    content: Content,
    payload: Vec<u8>,
}

#[derive(Debug)]
enum Content {
    /// The payload is beside it.
    Packet(Packet<'static>),
    Report(SenderReport),
}

/// The end where media goes in.
#[derive(Debug)]
pub(super) struct Loading {
    full: SyncSender<Parcel>,
    spare: Receiver<Vec<u8>>,
    announced: Arc<AtomicBool>,
}

/// The end where media comes out.
#[derive(Debug)]
pub(crate) struct Unloading {
    full: Receiver<Parcel>,
    spare: SyncSender<Vec<u8>>,
    announced: Arc<AtomicBool>,
}

/// Both ends of a queue for media.
pub(super) fn queue() -> (Loading, Unloading) {
    let (full_in, full_out) = sync_channel(MOST_WAITING);
    let (spare_in, spare_out) = sync_channel(MOST_SPARE);
    let announced = Arc::new(AtomicBool::new(false));
    let loading = Loading {
        full: full_in,
        spare: spare_out,
        announced: Arc::clone(&announced),
    };
    let unloading = Unloading {
        full: full_out,
        spare: spare_in,
        announced,
    };
    (loading, unloading)
}

/// What became of media that was put into a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loaded {
    /// The other end knows that there is something.
    Known,
    /// The other end has to be told.
    Untold,
    /// There was no room for it.
    Dropped,
}

impl Loading {
    /// Puts in what a room carries over the link.
    pub(super) fn load(&self, track: TrackKey, media: Carried<'_>) -> Loaded {
        let mut payload = self.spare.try_recv().unwrap_or_default();
        payload.clear();
        let content = match media {
            Carried::Packet(packet) => {
                payload.extend_from_slice(packet.payload);
                Content::Packet(Packet {
                    payload: &[],
                    ..*packet
                })
            }
            Carried::Report(report) => Content::Report(*report),
        };
        let parcel = Parcel {
            track,
            content,
            payload,
        };
        if self.full.try_send(parcel).is_err() {
            return Loaded::Dropped;
        }
        if self.announced.swap(true, Ordering::AcqRel) {
            Loaded::Known
        } else {
            Loaded::Untold
        }
    }

    /// The other end could not be told: the next one tries again.
    pub(super) fn untold(&self) {
        self.announced.store(false, Ordering::Release);
    }
}

impl Unloading {
    /// Takes out what waits, a queue full at most.
    pub(super) fn unload(&self, mut take: impl FnMut(TrackKey, Carried<'_>)) {
        // What comes from here on is announced again.
        self.announced.store(false, Ordering::Release);
        for _ in 0..MOST_WAITING {
            let parcel = match self.full.try_recv() {
                Ok(parcel) => parcel,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            };
            match parcel.content {
                Content::Packet(packet) => take(
                    parcel.track,
                    Carried::Packet(&Packet {
                        payload: &parcel.payload,
                        ..packet
                    }),
                ),
                Content::Report(report) => take(parcel.track, Carried::Report(&report)),
            }
            // More buffers than are kept are let go.
            let _ = self.spare.try_send(parcel.payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, Delivery, SeqNo, Ssrc, Timestamp};

    const TRACK: TrackKey = TrackKey(3);

    fn packet(payload: &[u8]) -> Packet<'_> {
        Packet {
            ssrc: Ssrc(1),
            rid: None,
            seq: SeqNo(7),
            timestamp: Timestamp(8),
            marker: true,
            delivery: Delivery::Original,
            codec: Codec::Opus,
            audio_level: None,
            payload,
            dependencies: 0,
        }
    }

    fn unloaded(unloading: &Unloading) -> Vec<(TrackKey, Vec<u8>)> {
        let mut got = Vec::new();
        unloading.unload(|track, media| match media {
            Carried::Packet(packet) => got.push((track, packet.payload.to_vec())),
            Carried::Report(_) => got.push((track, Vec::new())),
        });
        got
    }

    #[test]
    fn what_is_loaded_comes_out_in_order_and_is_announced_once() {
        let (loading, unloading) = queue();
        let load = |payload: &[u8]| loading.load(TRACK, Carried::Packet(&packet(payload)));
        assert_eq!(load(b"one"), Loaded::Untold);
        assert_eq!(load(b"two"), Loaded::Known);
        let expected = [(TRACK, b"one".to_vec()), (TRACK, b"two".to_vec())];
        assert_eq!(unloaded(&unloading), expected);
        assert_eq!(load(b"3"), Loaded::Untold, "in a buffer that was longer");
        assert_eq!(unloaded(&unloading), [(TRACK, b"3".to_vec())]);
        loading.untold();
        assert_eq!(load(b"4"), Loaded::Untold);
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_the_rest_goes_on() {
        let (loading, unloading) = queue();
        let load = || loading.load(TRACK, Carried::Packet(&packet(b"x")));
        let dropped = (0..MOST_WAITING + 9).filter(|_| load() == Loaded::Dropped);
        assert_eq!(dropped.count(), 9);
        assert_eq!(unloaded(&unloading).len(), MOST_WAITING);
        assert_eq!(load(), Loaded::Untold);
        drop(unloading);
        assert_eq!(load(), Loaded::Dropped, "nobody is there");
    }

    #[test]
    fn news_that_could_not_be_told_make_way_for_newer_ones() {
        let wants = |track| LinkMessage::Wants {
            track: TrackKey(track),
            quality: None,
        };
        for (newer, older, expected) in [
            (wants(1), wants(1), true),
            (wants(1), wants(2), false),
            (LinkMessage::Ended, wants(1), true),
            (LinkMessage::Gone(LeaveReason::Moved), wants(1), true),
            (wants(1), LinkMessage::Ended, false),
        ] {
            assert_eq!(newer.supersedes(&older), expected, "{newer:?} {older:?}");
        }
    }
}
