//! In which order the packets of one transport leave, and how long each is made, so that
//! they form few trains: all packets of a train are equally long, but the last may be
//! shorter. Nothing overtakes what is of its own stream.

use sfu::Sink;

/// One packet, or a datagram that is complete, in its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which of those that wait.
    pub(super) waiting: u32,
    /// Bytes of its payload.
    pub(super) len: u32,
    /// What of it is padded.
    pub(super) padding: u8,
    pub(super) stream: Stream,
}

/// What keeps its order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stream {
    /// Original packets of pictures, which may be padded.
    Pictures(Sink),
    /// All other packets.
    Other(Sink),
    /// What the transport says of itself.
    Own,
}

/// Sorts a line from long to short, and pads pictures' packets as far as that joins trains.
pub(super) fn arrange(line: &mut [Place]) {
    for some in line.chunks_mut(SORTED) {
        sort(some);
    }
    equalise(line);
}

/// By insertion: lines are short and mostly in order already.
fn sort(line: &mut [Place]) {
    for next in 1..line.len() {
        let mut at = next;
        while at > 0 && line[at - 1].may_follow(&line[at]) {
            line.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Publishers cut a frame into nearly equal packets, the longer ones last.
fn equalise(line: &mut [Place]) {
    for at in (1..line.len()).rev() {
        let [before, after] = [line[at - 1], line[at]];
        let long = before.len >= LONG && before.stream == after.stream;
        let missing = (after.len + u32::from(after.padding)).saturating_sub(before.len);
        match (before.stream, u8::try_from(missing)) {
            (Stream::Pictures(_), Ok(missing)) if long && missing <= MOST_PADDING => {
                line[at - 1].padding = missing;
            }
            (Stream::Pictures(_) | Stream::Other(_) | Stream::Own, _) => {}
        }
    }
}

impl Place {
    /// Whether `other`, behind it, is better sent before it.
    fn may_follow(&self, other: &Self) -> bool {
        self.len < other.len && self.stream.lets_pass(other.stream)
    }
}

impl Stream {
    /// Whether packets of `other` may overtake its own. Nothing overtakes what the transport
    /// says of itself: media before the end of its handshake is of no use to the client.
    fn lets_pass(self, other: Self) -> bool {
        match (self, other) {
            (Self::Pictures(one) | Self::Other(one), Self::Pictures(two) | Self::Other(two)) => {
                one != two
            }
            (Self::Own, _) | (_, Self::Own) => false,
        }
    }
}

/// So many are sorted at a time: a longer line has long trains as it is.
const SORTED: usize = 32;

/// Packets at least so long are padded: it adds less than two percent.
const LONG: u32 = 400;
const MOST_PADDING: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    use sfu::{SenderKey, TransportKey};

    const PICTURES: Stream = Stream::Pictures(sink(1));
    const SCREEN: Stream = Stream::Pictures(sink(2));
    const SOUND: Stream = Stream::Other(sink(3));
    const MUSIC: Stream = Stream::Other(sink(4));

    const fn sink(sender: u32) -> Sink {
        Sink {
            transport: TransportKey(1),
            sender: SenderKey(sender),
        }
    }

    #[test]
    fn long_ones_go_first_and_nearly_equal_ones_become_equal() {
        for (given, expected) in [
            (vec![], vec![]),
            (vec![(SOUND, 80)], vec![(80, 0)]),
            // A frame: the longer ones are last.
            (
                vec![(PICTURES, 918), (PICTURES, 919), (PICTURES, 919)],
                vec![(918, 1), (919, 0), (919, 0)],
            ),
            (
                vec![(PICTURES, 917), (PICTURES, 918), (PICTURES, 925)],
                vec![(917, 8), (918, 7), (925, 0)],
            ),
            // Sound in between, twice.
            (
                vec![
                    (SOUND, 80),
                    (PICTURES, 900),
                    (MUSIC, 95),
                    (PICTURES, 901),
                    (SOUND, 99),
                ],
                vec![(900, 1), (901, 0), (95, 0), (80, 0), (99, 0)],
            ),
            // Too different, too short, or not of one stream.
            (
                vec![(PICTURES, 900), (PICTURES, 909)],
                vec![(900, 0), (909, 0)],
            ),
            (
                vec![(PICTURES, 300), (PICTURES, 301)],
                vec![(300, 0), (301, 0)],
            ),
            (
                vec![(PICTURES, 900), (SCREEN, 901)],
                vec![(901, 0), (900, 0)],
            ),
            (vec![(SOUND, 900), (SOUND, 901)], vec![(900, 0), (901, 0)]),
            (
                vec![(Stream::Own, 60), (Stream::Own, 70), (SOUND, 65)],
                vec![(60, 0), (70, 0), (65, 0)],
            ),
            // The end of a handshake, and what it opens the way for.
            (
                vec![(Stream::Own, 60), (SOUND, 80), (PICTURES, 900)],
                vec![(60, 0), (900, 0), (80, 0)],
            ),
            (
                vec![(SOUND, 80), (Stream::Own, 60), (PICTURES, 900)],
                vec![(80, 0), (60, 0), (900, 0)],
            ),
        ] {
            let mut line = line(&given);
            arrange(&mut line);
            let arranged: Vec<_> = line
                .iter()
                .map(|place| (place.len, place.padding))
                .collect();
            assert_eq!(arranged, expected, "{given:?}");
        }
    }

    #[test]
    fn no_stream_changes_its_order_however_long_the_line() {
        let streams = [PICTURES, SCREEN, SOUND, MUSIC, Stream::Own];
        let mut seed = 1_u64;
        let mut dice = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for count in 0..200 {
            let given: Vec<_> = (0..count)
                .map(|_| (streams[dice() % 5], 60 + (dice() % 1_100) as u32))
                .collect();
            let mut line = line(&given);
            arrange(&mut line);
            for stream in streams {
                let own = line.iter().filter(|place| place.stream == stream);
                let order: Vec<_> = own.map(|place| place.waiting).collect();
                assert!(order.is_sorted(), "{stream:?} of {given:?}");
            }
            let mut all: Vec<_> = line.iter().map(|place| place.waiting).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    fn line(given: &[(Stream, u32)]) -> Vec<Place> {
        (0..)
            .zip(given)
            .map(|(waiting, (stream, len))| Place {
                waiting,
                len: *len,
                padding: 0,
                stream: *stream,
            })
            .collect()
    }
}
