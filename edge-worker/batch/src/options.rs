//! What a caller wants of a [`Socket`](crate::Socket), and what it then has.

/// How a socket is to be made. By default everything the kernel has is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// How many messages one system call carries.
    pub calls: Calls,
    /// Packets for one destination leave as one message, cut by the kernel or the card (GSO).
    pub segmentation: Offload,
    /// Packets from one origin arrive as one message (GRO).
    pub coalescing: Offload,
    /// Whether the kernel notes when datagrams arrive; each costs it a look at the clock.
    pub arrival_times: ArrivalTimes,
    /// The kernel's buffer for datagrams that leave, in bytes; it grants what it allows.
    pub send_buffer: usize,
    /// The kernel's buffer for datagrams that arrive, in bytes; it grants what it allows.
    pub receive_buffer: usize,
    /// Longer datagrams that arrive are left out and counted.
    pub longest_datagram: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls: Calls::Many,
            segmentation: Offload::WhereSupported,
            coalescing: Offload::WhereSupported,
            arrival_times: ArrivalTimes::Unwanted,
            send_buffer: KERNEL_BUFFER,
            receive_buffer: KERNEL_BUFFER,
            longest_datagram: LONGEST_DATAGRAM,
        }
    }
}

/// 50 ms at 600 Mbit/s, so that a burst of keyframes survives a busy moment.
const KERNEL_BUFFER: usize = 4 << 20;

/// No datagram on the internet is longer than an Ethernet frame.
const LONGEST_DATAGRAM: usize = 2_048;

/// How many messages one system call carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calls {
    /// As many as there are: `sendmmsg` and `recvmmsg`.
    Many,
    /// One, without segmentation or coalescing: `sendto` and `recvfrom`.
    OneByOne,
}

/// Whether somebody asks when datagrams arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArrivalTimes {
    /// Where many messages are received in one call, and the kernel knows.
    Wanted,
    /// Nobody does.
    Unwanted,
}

/// Whether work may be left to the kernel or the card.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offload {
    /// If they can do it.
    WhereSupported,
    /// Not even then.
    Never,
}

/// What a socket uses, after options and kernel had their say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// How many messages one system call carries.
    pub calls: Calls,
    /// GSO. Goes away where no message is segmented after all.
    pub segmentation: Support,
    /// GRO.
    pub coalescing: Support,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// It is, and is used.
    Present,
    /// It is not, or is not wanted.
    Absent,
}

/// The kernel's buffers as it granted them, in its own accounting: a datagram counts for
/// more than its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Buffers {
    /// For datagrams that leave.
    pub send: usize,
    /// For datagrams that arrive.
    pub receive: usize,
}
