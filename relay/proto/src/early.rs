//! Packets that overtake the word of what they are: datagrams do not wait for the control stream,
//! and a keyframe from the cache leaves with the answer that names its flow.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::frame::{FlowId, Media};

/// Packets of flows that were not told of yet, as long as they may be.
#[derive(Debug, Default)]
pub(crate) struct Early {
    waiting: VecDeque<(Instant, Media)>,
}

impl Early {
    /// The keyframes of some layers.
    const MOST: usize = 1_024;
    /// What tells of them was lost more than once by then.
    const LONGEST: Duration = Duration::from_millis(500);

    /// Keeps a packet; `false` if there is no room.
    pub(crate) fn push(&mut self, now: Instant, media: Media) -> bool {
        let fits = self.waiting.len() < Self::MOST;
        if fits {
            self.waiting.push_back((now, media));
        }
        fits
    }

    /// The packets of a flow, now that it is known, in the order they came.
    pub(crate) fn take(&mut self, flow: FlowId) -> Vec<Media> {
        let (of_flow, others): (VecDeque<_>, _) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, media)| media.flow == flow);
        self.waiting = others;
        of_flow.into_iter().map(|(_, media)| media).collect()
    }

    /// Lets go what nobody told of; how many packets.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let before = self.waiting.len();
        self.waiting.retain(|(at, _)| now < *at + Self::LONGEST);
        (before - self.waiting.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{Copy, LinkSeq, Place};
    use crate::testing::{ms, start};

    #[test]
    fn packets_wait_for_the_word_of_their_flow_and_not_for_ever() {
        let mut early = Early::default();
        for (at, flow) in [(0, 1), (1, 2), (2, 1)] {
            assert!(early.push(start() + ms(at), media(flow)));
        }
        let flows = |taken: Vec<Media>| {
            taken
                .into_iter()
                .map(|media| media.flow)
                .collect::<Vec<_>>()
        };
        assert_eq!(flows(early.take(flow(1))), [flow(1), flow(1)]);
        assert_eq!(early.expire(start() + ms(500)), 0);
        assert_eq!(early.expire(start() + ms(501)), 1);
        assert_eq!(flows(early.take(flow(2))), []);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut early = Early::default();
        let taken = (0..2_000).filter(|_| early.push(start(), media(1))).count();
        assert_eq!(taken, Early::MOST);
    }

    fn flow(number: u32) -> FlowId {
        FlowId::new(number).unwrap()
    }

    fn media(number: u32) -> Media {
        Media {
            flow: flow(number),
            seq: LinkSeq(0),
            copy: Copy::Original,
            place: Place::default(),
            rtp: Bytes::new(),
        }
    }
}
