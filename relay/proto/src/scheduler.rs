//! What goes onto the wire next, and what is left out when not all of it fits.
//!
//! Classes are served in strict order; within a class rooms take turns by bytes (deficit round
//! robin, Shreedhar and Varghese 1995), so that one big room cannot silence a small one. A queue
//! stands in front of QUIC's, which is kept all but empty: what waits there can be neither
//! reordered nor left out.
//!
//! What waited too long is left out by whole pictures: half a picture costs as much as it is
//! worth nothing. A picture that others need takes them along, until the next keyframe. To leave
//! out whole layers before it comes to that is left to the allocation.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::frame::{End, FlowId, Keyframe, Lane, Media, Place, Reference};

/// What a packet is to those who wait for it: the order of sending.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Sound.
    Audio,
    /// Sound that got lost, or is repeated unasked.
    AudioRepair,
    /// The lowest layer of a picture, or its only one.
    BaseLayer,
    /// Pictures that got lost.
    VideoRepair,
    /// Higher layers.
    Enhancement,
}

impl Class {
    /// All, in order of sending.
    pub const ALL: [Self; 5] = [
        Self::Audio,
        Self::AudioRepair,
        Self::BaseLayer,
        Self::VideoRepair,
        Self::Enhancement,
    ];

    /// The connection it goes over.
    pub fn lane(self) -> Lane {
        match self {
            Self::Audio | Self::AudioRepair => Lane::Control,
            Self::BaseLayer | Self::VideoRepair | Self::Enhancement => Lane::Video,
        }
    }

    /// What it is when it goes again.
    pub fn again(self) -> Self {
        match self {
            Self::Audio | Self::AudioRepair => Self::AudioRepair,
            Self::BaseLayer | Self::VideoRepair | Self::Enhancement => Self::VideoRepair,
        }
    }

    /// For how long it may wait: longer, and it comes too late or keeps the next one waiting.
    fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Self::Audio => 150,
            Self::AudioRepair => 100,
            Self::BaseLayer | Self::VideoRepair => 100,
            Self::Enhancement => 60,
        })
    }

    /// How many bytes may wait: the bound of the memory, met only when the wire stands still.
    fn most(self) -> usize {
        match self {
            Self::Audio | Self::AudioRepair => 256 << 10,
            Self::BaseLayer | Self::VideoRepair | Self::Enhancement => 4 << 20,
        }
    }
}

/// Rooms share a link; each has a number of its own on it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomKey(pub u32);

impl RoomKey {
    /// Who pays for what belongs to no room.
    pub const LINK: Self = Self(0);
}

/// A packet that waits to be sent.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The room that pays for it.
    pub room: RoomKey,
    /// What it is.
    pub class: Class,
    /// The packet.
    pub load: Load,
}

/// What waits.
#[derive(Clone, Debug)]
pub enum Load {
    /// For the first time: it gets its number when it leaves.
    Fresh {
        /// Whose it is.
        flow: FlowId,
        /// Where it stands in its picture.
        place: Place,
        /// The packet.
        rtp: Bytes,
    },
    /// Again, with the number it has.
    Again(Media),
}

/// Why something was left out; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shed {
    /// It waited too long.
    Late,
    /// The picture before it was left out, and it needs that one.
    AwaitKeyframe,
    /// No memory is left for its class.
    Full,
}

impl Shed {
    /// All.
    pub const ALL: [Self; 3] = [Self::Late, Self::AwaitKeyframe, Self::Full];
}

/// What to send and what to leave out.
#[derive(Debug, Default)]
pub struct Scheduler {
    classes: [Rooms; Class::ALL.len()],
    flows: HashMap<FlowId, Flow>,
    shed: HashMap<Shed, u64>,
    /// Flows that wait for a keyframe since the last look.
    broken: Vec<FlowId>,
}

/// The rooms of one class that have something waiting.
#[derive(Debug, Default)]
struct Rooms {
    turns: VecDeque<RoomKey>,
    queues: HashMap<RoomKey, Queue>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Bytes this room may still send in this turn.
    deficit: usize,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    load: Load,
}

/// What becomes of the picture that a flow is at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Flow {
    /// Between two pictures.
    #[default]
    Between,
    /// Its picture has begun to leave: the rest follows.
    Within,
    /// Its picture is left out, though the next one can do without it.
    Leaving,
    /// Nothing leaves before a keyframe.
    Broken,
}

impl Scheduler {
    /// What a room may send before the next has its turn: a packet of full size.
    const QUANTUM: usize = 1_500;

    /// Lets a packet wait.
    pub fn push(&mut self, now: Instant, packet: Queued) {
        let Queued { room, class, load } = packet;
        let rooms = &mut self.classes[class as usize];
        if rooms.bytes + load.len() > class.most() {
            self.leave_out(Shed::Full, &load);
            return;
        }
        rooms.bytes += load.len();
        let queue = rooms.queues.entry(room).or_default();
        if queue.waiting.is_empty() {
            rooms.turns.push_back(room);
        }
        queue.waiting.push_back(Waiting { since: now, load });
    }

    /// The next packet for `lane`.
    pub fn pop(&mut self, now: Instant, lane: Lane) -> Option<(RoomKey, Class, Load)> {
        for class in Class::ALL {
            if class.lane() != lane {
                continue;
            }
            while let Some((room, waiting)) = self.classes[class as usize].next(Self::QUANTUM) {
                let late = now.saturating_duration_since(waiting.since) > class.patience();
                if self.passes(late, &waiting.load) {
                    return Some((room, class, waiting.load));
                }
            }
        }
        None
    }

    /// How many bytes wait for `lane`.
    pub fn waiting(&self, lane: Lane) -> usize {
        let of_lane = Class::ALL.into_iter().filter(|class| class.lane() == lane);
        of_lane
            .map(|class| self.classes[class as usize].bytes)
            .sum()
    }

    /// Flows that need a keyframe to go on, each once since it was asked last.
    pub fn take_broken(&mut self) -> Vec<FlowId> {
        std::mem::take(&mut self.broken)
    }

    /// Packets left out so far, by reason.
    pub fn shed(&self, reason: Shed) -> u64 {
        self.shed.get(&reason).copied().unwrap_or(0)
    }

    /// A flow stops: nothing more of it leaves before a keyframe, which who stops it asks for.
    pub fn pause(&mut self, flow: FlowId) {
        self.flows.insert(flow, Flow::Broken);
    }

    /// A flow ended: nothing of it is remembered.
    pub fn forget(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
        self.broken.retain(|broken| *broken != flow);
    }

    /// Whether a packet whose turn it is leaves, and what that means for the rest of its picture.
    fn passes(&mut self, late: bool, load: &Load) -> bool {
        let Load::Fresh { flow, place, .. } = load else {
            if late {
                self.count(Shed::Late);
            }
            return !late;
        };
        let state = self.flows.entry(*flow).or_default();
        let starts = matches!(state, Flow::Between);
        let keyframe = place.keyframe == Keyframe::Yes;
        // A picture is left out as it begins, or not at all; a keyframe ends being broken.
        let leaves = match *state {
            Flow::Within => true,
            Flow::Between => !late,
            Flow::Broken => keyframe && !late,
            Flow::Leaving => false,
        };
        let broke = starts && late && place.reference == Reference::Yes;
        // The keyframe that was asked for came too late, too: another is needed.
        let again = *state == Flow::Broken && keyframe && late && place.end == End::Yes;
        let (next, reason) = match (leaves, place.end) {
            (true, End::No) => (Flow::Within, None),
            (true, End::Yes) => (Flow::Between, None),
            (false, _) if *state == Flow::Broken => (Flow::Broken, Some(Shed::AwaitKeyframe)),
            (false, _) if broke => (Flow::Broken, Some(Shed::Late)),
            (false, End::No) => (Flow::Leaving, Some(Shed::Late)),
            (false, End::Yes) => (Flow::Between, Some(Shed::Late)),
        };
        *state = next;
        if broke || again {
            self.broken.push(*flow);
        }
        if let Some(reason) = reason {
            self.count(reason);
        }
        leaves
    }

    /// There is no memory for a packet: its picture is broken from here on.
    fn leave_out(&mut self, reason: Shed, load: &Load) {
        self.count(reason);
        if let Load::Fresh { flow, .. } = load
            && self.flows.insert(*flow, Flow::Broken) != Some(Flow::Broken)
        {
            self.broken.push(*flow);
        }
    }

    fn count(&mut self, reason: Shed) {
        *self.shed.entry(reason).or_default() += 1;
    }
}

impl Rooms {
    /// The packet whose turn it is.
    fn next(&mut self, quantum: usize) -> Option<(RoomKey, Waiting)> {
        loop {
            let room = *self.turns.front()?;
            let queue = self
                .queues
                .get_mut(&room)
                .expect("a room with a turn has a queue");
            let size = queue
                .waiting
                .front()
                .expect("a room with a turn has a packet")
                .load
                .len();
            if queue.deficit < size {
                queue.deficit += quantum;
                self.turns.rotate_left(1);
                continue;
            }
            queue.deficit -= size;
            let waiting = queue.waiting.pop_front().expect("looked at above");
            if queue.waiting.is_empty() {
                // What is not used is not saved up.
                self.queues.remove(&room);
                self.turns.pop_front();
            }
            self.bytes -= size;
            return Some((room, waiting));
        }
    }
}

impl Load {
    /// The packet.
    pub(crate) fn rtp(&self) -> &Bytes {
        match self {
            Self::Fresh { rtp, .. } => rtp,
            Self::Again(media) => &media.rtp,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Fresh { rtp, .. } => Media::OVERHEAD + rtp.len(),
            Self::Again(media) => media.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Copy, LinkSeq};
    use crate::testing::{ms, start};

    #[test]
    fn sound_leaves_first_and_enhancements_last() {
        let mut line = Line::default();
        for (flow, class) in [(5, Class::Enhancement), (3, Class::BaseLayer)] {
            line.push(0, 0, flow, class, LONE);
        }
        line.scheduler.push(
            start(),
            Queued {
                room: RoomKey(0),
                class: Class::VideoRepair,
                load: again(4),
            },
        );
        line.leaves(0, &[3, 4, 5]);
        line.push(0, 0, 1, Class::Audio, LONE);
        line.leaves(0, &[]);
        assert!(line.scheduler.pop(start(), Lane::Control).is_some());
    }

    #[test]
    fn rooms_take_turns_by_bytes() {
        let mut line = Line::default();
        for _ in 0..100 {
            line.push(0, 1, 11, Class::BaseLayer, LONE);
        }
        for _ in 0..3 {
            line.push(0, 2, 22, Class::BaseLayer, LONE);
        }
        let first: Vec<_> = (0..8).map(|_| line.pop(0).unwrap()).collect();
        assert_eq!(
            first.iter().filter(|flow| **flow == 22).count(),
            3,
            "{first:?}"
        );
    }

    #[test]
    fn a_picture_that_waited_too_long_is_left_out_whole_and_those_that_need_it() {
        let mut line = Line::default();
        line.picture(0, 1, 3, KEY);
        line.leaves(0, &[1, 1, 1]);
        line.picture(0, 1, 3, DELTA);
        line.picture(101, 1, 2, DELTA);
        line.leaves(101, &[]);
        assert_eq!(line.scheduler.take_broken(), [FlowId::new(1).unwrap()]);
        line.picture(102, 1, 2, DELTA);
        line.leaves(102, &[]);
        assert!(
            line.scheduler.take_broken().is_empty(),
            "a keyframe is asked for once"
        );
        line.picture(103, 1, 2, KEY);
        line.leaves(103, &[1, 1]);
        assert_eq!(line.scheduler.shed(Shed::Late), 1);
        assert_eq!(line.scheduler.shed(Shed::AwaitKeyframe), 6);
    }

    #[test]
    fn a_picture_nobody_needs_is_left_out_alone() {
        let mut line = Line::default();
        line.picture(0, 1, 2, SPARE);
        line.picture(101, 1, 2, DELTA);
        line.leaves(101, &[1, 1]);
        assert_eq!(line.scheduler.shed(Shed::Late), 2);
        assert!(line.scheduler.take_broken().is_empty());
    }

    #[test]
    fn a_picture_that_has_begun_to_leave_leaves_whole() {
        let mut line = Line::default();
        line.picture(0, 1, 3, DELTA);
        assert_eq!(line.pop(0), Some(1));
        line.leaves(500, &[1, 1]);
    }

    #[test]
    fn memory_is_bounded_when_nothing_leaves() {
        let mut line = Line::default();
        for _ in 0..10_000 {
            line.push(0, 1, 1, Class::BaseLayer, LONE);
        }
        assert!(line.scheduler.waiting(Lane::Video) <= Class::BaseLayer.most());
        assert!(line.scheduler.shed(Shed::Full) > 5_000);
        assert_eq!(line.scheduler.take_broken().len(), 1);
    }

    const KEY: Place = Place {
        keyframe: Keyframe::Yes,
        end: End::No,
        reference: Reference::Yes,
    };
    const DELTA: Place = Place {
        keyframe: Keyframe::No,
        ..KEY
    };
    const SPARE: Place = Place {
        reference: Reference::No,
        ..DELTA
    };
    const LONE: Place = Place {
        end: End::Yes,
        ..DELTA
    };

    #[derive(Default)]
    struct Line {
        scheduler: Scheduler,
    }

    impl Line {
        fn push(&mut self, at: u64, room: u32, flow: u32, class: Class, place: Place) {
            let load = Load::Fresh {
                flow: FlowId::new(flow).unwrap(),
                place,
                rtp: Bytes::from(vec![0x80; 1_000]),
            };
            let room = RoomKey(room);
            self.scheduler
                .push(start() + ms(at), Queued { room, class, load });
        }

        fn picture(&mut self, at: u64, flow: u32, packets: u32, place: Place) {
            for packet in 1..=packets {
                let end = if packet == packets { End::Yes } else { End::No };
                self.push(at, 0, flow, Class::BaseLayer, Place { end, ..place });
            }
        }

        fn pop(&mut self, at: u64) -> Option<u32> {
            let (_, _, load) = self.scheduler.pop(start() + ms(at), Lane::Video)?;
            Some(match load {
                Load::Fresh { flow, .. } => flow.number(),
                Load::Again(media) => media.flow.number(),
            })
        }

        fn leaves(&mut self, at: u64, expected: &[u32]) {
            let left: Vec<_> = std::iter::from_fn(|| self.pop(at)).collect();
            assert_eq!(left, expected, "{at} ms");
        }
    }

    fn again(flow: u32) -> Load {
        Load::Again(Media {
            flow: FlowId::new(flow).unwrap(),
            seq: LinkSeq(1),
            copy: Copy::Repair,
            place: LONE,
            rtp: Bytes::from(vec![0x80; 1_000]),
        })
    }
}
