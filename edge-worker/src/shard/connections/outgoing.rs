//! What waits to be written to one connection: framed, bounded, and what matters most
//! first. Datagrams may overtake each other, as they do over UDP; what is too old or too
//! much is left out, pictures before sound, and sound before what keeps the call up.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use transport::framing;

use super::super::queue::Urgency;

/// Datagrams on their way into a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    framing: Framing,
    /// Frames that are written now, and how much of them was.
    writing: Vec<u8>,
    written: usize,
    /// Bytes that the connection took so far.
    total: u64,
    control: Line,
    sound: Line,
    pictures: Line,
}

/// How the client finds where a datagram ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Framing {
    /// By its length, which goes before it (RFC 4571).
    #[default]
    Length,
    /// By what it says itself, as messages of TURN do.
    Own,
}

/// Datagrams that wait for their turn, oldest first.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(Instant, Box<[u8]>)>,
    bytes: usize,
}

impl Line {
    /// Leaves out the first datagram if it is too old; says whether it was.
    fn expire(&mut self, now: Instant, urgency: Urgency) -> bool {
        let old = |since: &Instant| now.saturating_duration_since(*since) > limits(urgency).age;
        let first = self.waiting.pop_front_if(|(since, _)| old(since));
        self.bytes -= first.as_ref().map_or(0, |(_, datagram)| datagram.len());
        first.is_some()
    }
}

/// Why a datagram was not written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unwritten {
    /// The connection is gone.
    Gone,
    /// More of its kind waits than may.
    Full(Urgency),
    /// It waited for so long that it is of no use.
    Late(Urgency),
}

impl Unwritten {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Gone,
        Self::Full(Urgency::Control),
        Self::Full(Urgency::Sound),
        Self::Full(Urgency::Picture),
        Self::Late(Urgency::Control),
        Self::Late(Urgency::Sound),
        Self::Late(Urgency::Picture),
    ];

    /// As a metric label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Full(Urgency::Control) => "control_full",
            Self::Full(Urgency::Sound) => "sound_full",
            Self::Full(Urgency::Picture) => "picture_full",
            Self::Late(Urgency::Control) => "control_late",
            Self::Late(Urgency::Sound) => "sound_late",
            Self::Late(Urgency::Picture) => "picture_late",
        }
    }
}

/// Whether all could be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// Nothing waits any more.
    All,
    /// The connection takes no more for now.
    Blocked,
    /// The connection broke.
    Broken,
}

impl Outgoing {
    /// As much is framed at a time: what is framed cannot be overtaken any more.
    const WRITE_LEN: usize = 8 << 10;

    /// For datagrams that are told apart like this.
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            ..Self::default()
        }
    }

    /// Takes a datagram, or leaves it out.
    pub(super) fn push(
        &mut self,
        now: Instant,
        urgency: Urgency,
        datagram: &[u8],
    ) -> Result<(), Unwritten> {
        let line = self.line(urgency);
        if line.bytes + datagram.len() > limits(urgency).bytes {
            return Err(Unwritten::Full(urgency));
        }
        line.bytes += datagram.len();
        line.waiting.push_back((now, datagram.into()));
        Ok(())
    }

    /// Writes as much as the connection takes. Tells `unwritten` of each datagram that has
    /// become too old.
    pub(super) fn write(
        &mut self,
        now: Instant,
        connection: &mut impl Write,
        mut unwritten: impl FnMut(Unwritten),
    ) -> Written {
        for urgency in Urgency::ALL {
            while self.line(urgency).expire(now, urgency) {
                unwritten(Unwritten::Late(urgency));
            }
        }
        loop {
            if self.written == self.writing.len() {
                self.refill();
            }
            let done = if self.writing.is_empty() {
                connection.flush().map(|()| Written::All)
            } else {
                match connection.write(&self.writing[self.written..]) {
                    Ok(0) => Ok(Written::Broken),
                    Ok(count) => {
                        self.written += count;
                        self.total += count as u64;
                        continue;
                    }
                    Err(error) => Err(error),
                }
            };
            match done {
                Ok(written) => return written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Written::Blocked,
                Err(_) => return Written::Broken,
            }
        }
    }

    /// Bytes that the connection took so far.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Frames what is next.
    fn refill(&mut self) {
        self.writing.clear();
        self.written = 0;
        for line in [&mut self.control, &mut self.sound, &mut self.pictures] {
            while self.writing.len() < Self::WRITE_LEN {
                let Some((_, datagram)) = line.waiting.pop_front() else {
                    break;
                };
                line.bytes -= datagram.len();
                match self.framing {
                    Framing::Length => framing::frame(&datagram, &mut self.writing),
                    Framing::Own => self.writing.extend_from_slice(&datagram),
                }
            }
        }
    }

    fn line(&mut self, urgency: Urgency) -> &mut Line {
        match urgency {
            Urgency::Control => &mut self.control,
            Urgency::Sound => &mut self.sound,
            Urgency::Picture => &mut self.pictures,
        }
    }
}

/// How much may wait, and for how long.
struct Limits {
    bytes: usize,
    age: Duration,
}

fn limits(urgency: Urgency) -> Limits {
    match urgency {
        // A handshake's certificates, reports of every sender, a message for each channel.
        Urgency::Control => Limits {
            bytes: 256 << 10,
            age: Duration::from_secs(20),
        },
        // Two seconds of eight people who speak; players throw older sound away.
        Urgency::Sound => Limits {
            bytes: 128 << 10,
            age: Duration::from_secs(2),
        },
        // A keyframe and what follows it. Whoever waits for longer asks for another one.
        Urgency::Picture => Limits {
            bytes: 384 << 10,
            age: Duration::from_secs(1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Urgency::{Control, Picture, Sound};
    use std::io;

    /// A connection that takes so many bytes, and no more before it is emptied.
    #[derive(Debug)]
    struct Pipe {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Pipe {
        fn with_room(room: usize) -> Self {
            let taken = Vec::new();
            Self { room, taken }
        }

        /// The first byte of each datagram taken so far.
        fn datagrams(&self) -> Vec<u8> {
            let mut unframer = framing::Unframer::new(2_000);
            let mut datagrams = Vec::new();
            for piece in self.taken.chunks(100) {
                unframer.space()[..piece.len()].copy_from_slice(piece);
                unframer.filled(piece.len());
                while let Some(datagram) = unframer.take().unwrap() {
                    datagrams.push(datagram[0]);
                }
            }
            datagrams
        }
    }

    #[test]
    fn control_goes_before_sound_and_sound_before_pictures() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        for (first, urgency) in [
            (1, Picture),
            (2, Sound),
            (3, Picture),
            (4, Control),
            (5, Sound),
        ] {
            outgoing.push(now, urgency, &[first; 100]).unwrap();
        }
        let mut pipe = Pipe::with_room(10_000);
        let written = outgoing.write(now, &mut pipe, |reason| panic!("{reason:?}"));
        assert_eq!(written, Written::All);
        assert_eq!(pipe.datagrams(), [4, 2, 5, 1, 3]);
    }

    #[test]
    fn a_blocked_connection_drops_pictures_and_keeps_sound() {
        let start = Instant::now();
        let mut outgoing = Outgoing::default();
        let mut pipe = Pipe::with_room(0);
        let mut left_out = Vec::new();
        // Four seconds of a picture of 4 Mbit/s and a voice, of which nothing gets through.
        for step in 0..200_u64 {
            let now = start + Duration::from_millis(20 * step);
            for (urgency, count, len) in [(Picture, 10, 1_000), (Sound, 1, 100)] {
                for _ in 0..count {
                    let pushed = outgoing.push(now, urgency, &vec![step as u8; len]);
                    left_out.extend(pushed.err());
                }
            }
            let written = outgoing.write(now, &mut pipe, |reason| left_out.push(reason));
            assert_eq!(written, Written::Blocked);
        }
        let count = |of: Unwritten| left_out.iter().filter(|reason| **reason == of).count();
        assert!(count(Unwritten::Full(Picture)) > 0);
        assert!(count(Unwritten::Late(Picture)) > 0);
        assert_eq!(count(Unwritten::Full(Sound)), 0);
        // Sound that nobody would play any more.
        assert_eq!(count(Unwritten::Late(Sound)), 98);
        assert_eq!(
            left_out.len(),
            98 + count(Unwritten::Full(Picture)) + count(Unwritten::Late(Picture))
        );
        pipe.room = usize::MAX;
        let now = start + Duration::from_secs(4);
        assert_eq!(outgoing.write(now, &mut pipe, |_| {}), Written::All);
        // All sound of the last two seconds.
        let heard = pipe.datagrams();
        assert!((100..200).all(|step| heard.contains(&step)), "{heard:?}");
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_whatever_comes_next() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        outgoing.push(now, Picture, &[1; 1_000]).unwrap();
        let mut pipe = Pipe::with_room(500);
        let write = |outgoing: &mut Outgoing, pipe: &mut Pipe| {
            outgoing.write(now, pipe, |reason| panic!("{reason:?}"))
        };
        assert_eq!(write(&mut outgoing, &mut pipe), Written::Blocked);
        outgoing.push(now, Control, &[2; 10]).unwrap();
        pipe.room = 10_000;
        assert_eq!(write(&mut outgoing, &mut pipe), Written::All);
        assert_eq!(pipe.datagrams(), [1, 2]);
    }

    #[test]
    fn what_tells_its_end_itself_is_written_as_it_is() {
        let now = Instant::now();
        let mut outgoing = Outgoing::new(Framing::Own);
        outgoing.push(now, Sound, b"one.").unwrap();
        outgoing.push(now, Picture, b"two.").unwrap();
        let mut pipe = Pipe::with_room(10_000);
        assert_eq!(outgoing.write(now, &mut pipe, |_| {}), Written::All);
        assert_eq!(pipe.taken, b"one.two.");
    }

    #[test]
    fn every_reason_has_its_own_label() {
        let labels: std::collections::HashSet<_> =
            Unwritten::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), Unwritten::ALL.len());
    }
}
