//! What became of a batch: what the kernel took, and what it did not, by reason.

use std::io;
use std::ops::AddAssign;

/// What became of one or several batches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sent {
    /// System calls made.
    pub calls: u64,
    /// Messages the kernel took, each of one or more datagrams.
    pub trains: u64,
    /// Datagrams the kernel took.
    pub datagrams: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
    /// Datagrams dropped.
    pub failed: Failures,
    /// Messages that met an error and were taken when tried again: the error was that of an
    /// earlier datagram (its port is closed), which the kernel reports at a later one.
    pub late: u64,
    /// Trains the kernel would not segment, which then went packet by packet.
    pub unsegmented: u64,
}

impl AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.trains += other.trains;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.late += other.late;
        self.unsegmented += other.unsegmented;
        for (mine, (_, others)) in self.failed.0.iter_mut().zip(other.failed.iter()) {
            *mine += others;
        }
    }
}

/// Datagrams dropped, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Failures([u64; SendFailure::ALL.len()]);

impl Failures {
    pub(crate) fn add(&mut self, reason: SendFailure, datagrams: u64) {
        self.0[reason as usize] += datagrams;
    }

    /// How many for this reason.
    pub fn of(&self, reason: SendFailure) -> u64 {
        self.0[reason as usize]
    }

    /// How many for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// All reasons with their counts, also those with none.
    pub fn iter(&self) -> impl Iterator<Item = (SendFailure, u64)> + use<> {
        SendFailure::ALL.into_iter().zip(self.0)
    }
}

/// Why the kernel did not take a datagram; each is one metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendFailure {
    /// The socket's send buffer is full.
    WouldBlock,
    /// The kernel has no memory for it, or the queue of the network card is full.
    NoBuffers,
    /// Earlier datagrams met a closed port, twice in a row.
    Refused,
    /// There is no way there.
    Unreachable,
    /// Longer than the path, or UDP, allows.
    TooLong,
    /// The destination makes no sense for this socket.
    Invalid,
    /// Anything else: a packet filter, for one.
    Other,
}

impl SendFailure {
    /// Each of them once, in order.
    pub const ALL: [Self; 7] = [
        Self::WouldBlock,
        Self::NoBuffers,
        Self::Refused,
        Self::Unreachable,
        Self::TooLong,
        Self::Invalid,
        Self::Other,
    ];

    /// The word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::WouldBlock => "would_block",
            Self::NoBuffers => "no_buffers",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            // On Linux EWOULDBLOCK is the same number.
            Some(libc::EAGAIN) => Self::WouldBlock,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoBuffers,
            Some(libc::ECONNREFUSED) => Self::Refused,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN) => {
                Self::Unreachable
            }
            Some(libc::EMSGSIZE) => Self::TooLong,
            Some(libc::EINVAL | libc::EAFNOSUPPORT | libc::EDESTADDRREQ) => Self::Invalid,
            Some(_) | None => Self::Other,
        }
    }

    /// Whether the error may be that of an earlier datagram: an ICMP message waits at the
    /// socket until the next call, whomever that is for.
    pub(crate) fn may_be_late(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable => true,
            Self::WouldBlock | Self::NoBuffers | Self::TooLong | Self::Invalid | Self::Other => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_place() {
        let mut failures = Failures::default();
        for (nth, reason) in (1..).zip(SendFailure::ALL) {
            failures.add(reason, nth);
        }
        assert_eq!(failures.total(), 28);
        for (nth, (reason, count)) in (1..).zip(failures.iter()) {
            assert_eq!(
                (count, failures.of(reason)),
                (nth, nth),
                "{}",
                reason.label()
            );
        }
    }
}
