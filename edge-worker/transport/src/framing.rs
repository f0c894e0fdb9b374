//! Datagrams in a connection: each after its length (RFC 4571), as ICE over TCP has them
//! (RFC 6544). Reading from the connection and writing to it are left to the shell.

use std::ops::Range;

/// Of a length.
const HEAD: usize = 2;

/// Takes datagrams out of what is read from a connection, in memory that never grows.
#[derive(Debug, Default)]
pub struct Unframer {
    memory: Box<[u8]>,
    /// What was read and not taken yet.
    unread: Range<usize>,
    longest: usize,
}

/// Somebody announces a datagram longer than any we take: from here on nothing can be
/// read any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a frame of {0} bytes is longer than any that is taken")]
pub struct TooLong(pub usize);

impl Unframer {
    /// For datagrams of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            memory: vec![0; 2 * (HEAD + longest)].into(),
            unread: 0..0,
            longest,
        }
    }

    /// Where to read into next: never empty once all datagrams were taken.
    pub fn space(&mut self) -> &mut [u8] {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.memory.len() - self.unread.start < HEAD + self.longest {
            self.memory.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        &mut self.memory[self.unread.end..]
    }

    /// So many bytes were read into [`space`](Self::space).
    pub fn filled(&mut self, count: usize) {
        self.unread.end = (self.unread.end + count).min(self.memory.len());
    }

    /// The next whole datagram, still there to be taken. Empty ones are passed over.
    pub fn first(&mut self) -> Result<Option<&[u8]>, TooLong> {
        Ok(self.find()?.map(|found| &self.memory[found]))
    }

    /// Takes the next whole datagram; `None` until more is read.
    pub fn take(&mut self) -> Result<Option<&mut [u8]>, TooLong> {
        let Some(found) = self.find()? else {
            return Ok(None);
        };
        self.unread.start = found.end;
        Ok(Some(&mut self.memory[found]))
    }

    fn find(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        while let [high, low, rest @ ..] = &self.memory[self.unread.clone()] {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if len > self.longest {
                return Err(TooLong(len));
            }
            if len > rest.len() {
                return Ok(None);
            }
            if len > 0 {
                let start = self.unread.start + HEAD;
                return Ok(Some(start..start + len));
            }
            self.unread.start += HEAD;
        }
        Ok(None)
    }
}

/// Appends a datagram and its length to `out`. One that is longer than a length can tell
/// is left out.
pub fn frame(datagram: &[u8], out: &mut Vec<u8>) {
    if let Ok(len) = u16::try_from(datagram.len()) {
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 16;

    type Pieces = &'static [&'static [u8]];

    /// Feeds the pieces one after the other, and takes what there is after each.
    fn taken(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut unframer = Unframer::new(LONGEST);
        let mut all = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while !piece.is_empty() {
                let space = unframer.space();
                let count = space.len().min(piece.len());
                assert!(count > 0, "there is room again once all was taken");
                space[..count].copy_from_slice(&piece[..count]);
                unframer.filled(count);
                piece = &piece[count..];
                while let Some(datagram) = unframer.take()? {
                    all.push(datagram.to_vec());
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn datagrams_come_out_however_the_bytes_are_cut() {
        let cases: [(Pieces, Pieces); 8] = [
            (&[], &[]),
            (&[b"\x00\x03abc"], &[b"abc"]),
            (&[b"\x00\x03abc\x00\x01d\x00\x02ef"], &[b"abc", b"d", b"ef"]),
            (&[b"\x00", b"\x03", b"a", b"b", b"c"], &[b"abc"]),
            (&[b"\x00\x03ab", b"c\x00", b"\x01d"], &[b"abc", b"d"]),
            // Empty ones keep a connection open and mean nothing.
            (&[b"\x00\x00\x00\x00\x00\x01a\x00\x00"], &[b"a"]),
            (&[b"\x00\x10aaaaaaaaaaaaaaaa"], &[b"aaaaaaaaaaaaaaaa"]),
            (&[b"\x00\x03ab"], &[]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(taken(pieces).unwrap(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn every_cut_of_many_datagrams_gives_the_same() {
        let sent: Vec<Vec<u8>> = (0..40_u8)
            .map(|i| vec![i; usize::from(i) % LONGEST + 1])
            .collect();
        let mut bytes = Vec::new();
        sent.iter().for_each(|datagram| frame(datagram, &mut bytes));
        for cut in 1..60 {
            let pieces: Vec<_> = bytes.chunks(cut).collect();
            assert_eq!(taken(&pieces).unwrap(), sent, "pieces of {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_longest_ends_it_at_once() {
        for (bytes, len) in [
            (&b"\x00\x11"[..], 17),
            (b"\xff\xff", 65_535),
            // HTTP, read as a length.
            (b"GET / HTTP/1.1\r\n", 0x4745),
            (b"\x00\x01a\xff\xff", 65_535),
        ] {
            assert_eq!(taken(&[bytes]), Err(TooLong(len)));
        }
    }

    #[test]
    fn the_first_datagram_can_be_looked_at_and_taken_later() {
        let mut unframer = Unframer::new(LONGEST);
        unframer.space()[..7].copy_from_slice(b"\x00\x00\x00\x01a\x00\x01");
        unframer.filled(7);
        for _ in 0..2 {
            assert_eq!(unframer.first(), Ok(Some(&b"a"[..])));
        }
        assert_eq!(unframer.take(), Ok(Some(&mut b"a".to_owned()[..])));
        assert_eq!(unframer.first(), Ok(None));
    }

    #[test]
    fn what_is_longer_than_a_length_can_tell_is_not_framed() {
        let mut out = Vec::new();
        frame(&vec![0; 65_536], &mut out);
        assert!(out.is_empty());
        frame(b"ab", &mut out);
        assert_eq!(out, b"\x00\x02ab");
    }
}
