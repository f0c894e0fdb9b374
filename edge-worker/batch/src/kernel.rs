//! The system calls that have no safe interface, each behind one that is: `sendmmsg` and
//! `recvmmsg` with the control messages of GSO and GRO, and the two socket options. All
//! of the crate's `unsafe` is here.
//!
//! The memory the calls work on is kept between them; the pointers into it are written
//! anew for each call, from borrows that last until it returns. What to send, and how to
//! go on after an error, is left to [`trains`](crate::trains).

use std::io;
use std::marker::PhantomData;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use socket2::SockAddr;

/// The most messages one call takes; the kernel ignores more (`UIO_MAXIOV`).
pub(crate) const MOST_MESSAGES: usize = 1_024;

/// One message to send: pieces of a slab that follow each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) to: SocketAddr,
    /// Which of the batch's pieces it is made of.
    pub(crate) pieces: Range<usize>,
    /// The length of each datagram but the last, if it is more than one.
    pub(crate) segment: Option<u16>,
}

/// What `sendmmsg` works on.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    names: Vec<SockAddr>,
    controls: Vec<Control>,
    parts: Pointers<libc::iovec>,
    headers: Pointers<libc::mmsghdr>,
}

impl Outgoing {
    /// Lays out messages for the kernel.
    ///
    /// Panics if a piece lies outside of the slab.
    pub(crate) fn prepare<'a>(
        &'a mut self,
        messages: impl Iterator<Item = Message> + Clone,
        pieces: &[Range<usize>],
        slab: &'a [u8],
    ) -> Prepared<'a> {
        self.names.clear();
        self.controls.clear();
        self.parts.0.clear();
        self.headers.0.clear();
        for message in messages.clone() {
            self.names.push(message.to.into());
            self.controls
                .push(Control::segment(message.segment.unwrap_or(0)));
            for piece in &pieces[message.pieces] {
                let piece = &slab[piece.clone()];
                self.parts.0.push(libc::iovec {
                    iov_base: piece.as_ptr().cast_mut().cast(),
                    iov_len: piece.len(),
                });
            }
        }
        // Nothing below grows what the pointers point into. The kernel only reads there.
        let mut parts = self.parts.0.as_slice();
        for ((message, name), control) in messages.zip(&self.names).zip(&self.controls) {
            let (own, others) = parts.split_at(message.pieces.len());
            parts = others;
            let mut header = empty_header();
            header.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.len();
            header.msg_hdr.msg_iov = own.as_ptr().cast_mut();
            header.msg_hdr.msg_iovlen = own.len();
            if message.segment.is_some() {
                header.msg_hdr.msg_control = ptr::from_ref(control).cast_mut().cast();
                header.msg_hdr.msg_controllen = size_of::<Control>();
            }
            self.headers.0.push(header);
        }
        Prepared {
            headers: &mut self.headers.0,
            lent: PhantomData,
        }
    }
}

/// Messages ready to be sent. What they point to is borrowed as long as they live.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    headers: &'a mut [libc::mmsghdr],
    lent: PhantomData<&'a [u8]>,
}

impl Prepared<'_> {
    /// Sends from message `first` on, and returns how many the kernel took. The error is
    /// that of the first message: one behind it only ends the call.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, first: usize) -> io::Result<usize> {
        let headers = &mut self.headers[first..];
        let count = headers.len().min(MOST_MESSAGES) as libc::c_uint;
        // SAFETY: `headers` are at least `count` headers written by `Outgoing::prepare`. The
        // names, controls, parts and pieces of the slab they point to are borrowed for the
        // lifetime of `self`, the lengths beside the pointers are theirs, and the kernel
        // writes only to `msg_len` of each header.
        let taken = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(taken).map_err(|_| io::Error::last_os_error())
    }
}

/// What `recvmmsg` works on, apart from the memory for the datagrams.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    names: Vec<Name>,
    controls: Vec<Told>,
    parts: Pointers<libc::iovec>,
    headers: Pointers<libc::mmsghdr>,
}

impl Incoming {
    /// Receives into buffers that lie `stride` apart in `memory`, as many messages as there
    /// are buffers, each of at most `longest` bytes. Returns how many there were.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        memory: &mut [u8],
        stride: usize,
        longest: usize,
    ) -> io::Result<usize> {
        let count = (memory.len() / stride).min(MOST_MESSAGES);
        self.names.clear();
        self.names.resize(count, Name::default());
        self.controls.resize(count, Told::default());
        self.parts.0.clear();
        self.headers.0.clear();
        for buffer in memory.chunks_exact_mut(stride).take(count) {
            let buffer = &mut buffer[..longest];
            self.parts.0.push(libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            });
        }
        // Nothing below grows what the pointers point into.
        let parts = self.parts.0.iter_mut();
        for ((part, name), control) in parts.zip(&mut self.names).zip(&mut self.controls) {
            let mut header = empty_header();
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = size_of::<Told>();
            self.headers.0.push(header);
        }
        // SAFETY: the headers were just written, `count` of them. Each points to a name, a
        // control, a part and a buffer of its own, which belong to `self` or are borrowed by
        // this function, with their lengths beside them. Any bytes the kernel writes there
        // are valid: names, controls and buffers are made of integers. No timeout is given.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.0.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// What the last call said about a message it received.
    pub(crate) fn arrival(&self, index: usize) -> Arrival {
        let header = &self.headers.0[index];
        let told = &self.controls[index];
        let written = header.msg_hdr.msg_controllen;
        Arrival {
            from: self.names[index].address(),
            len: header.msg_len as usize,
            segment: told.coalesced(written),
            at: told.arrived_at(written),
            fit: match header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) {
                0 => Fit::Whole,
                _ => Fit::Cut,
            },
        }
    }
}

/// One message that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// `None` if it is of a kind this socket cannot have.
    pub(crate) from: Option<SocketAddr>,
    pub(crate) len: usize,
    /// The length of each datagram but the last, where several were coalesced.
    pub(crate) segment: Option<usize>,
    /// When, since 1970, where the kernel was asked to note it.
    pub(crate) at: Option<Duration>,
    pub(crate) fit: Fit,
}

/// Whether a message fitted its buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fit {
    Whole,
    Cut,
}

/// Whether the kernel knows how to segment (GSO). Changes nothing: zero is the default.
pub(crate) fn probe_segmentation(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_udp_option(socket, libc::UDP_SEGMENT, 0)
}

/// Has the kernel coalesce what arrives (GRO).
pub(crate) fn enable_coalescing(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_udp_option(socket, libc::UDP_GRO, 1)
}

/// Has the kernel note when what arrives arrived.
pub(crate) fn enable_arrival_times(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

fn set_udp_option(socket: BorrowedFd<'_>, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, name, value)
}

fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as it is told there are, out of a local value.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: the header is integers and raw pointers, for which zero is a value; null
    // pointers with zero lengths stand for nothing. (It is not written out because libcs
    // differ in its padding.)
    unsafe { mem::zeroed() }
}

/// Memory for structures that hold pointers, kept for its allocation only.
#[derive(Debug)]
struct Pointers<T>(Vec<T>);

impl<T> Default for Pointers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

// SAFETY: a pointer is followed only by the kernel, during the two calls above, and each
// writes all of them before from borrows it holds. What another thread finds in here is
// never followed.
unsafe impl Send for Pointers<libc::iovec> {}

// SAFETY: as for the parts of messages.
unsafe impl Send for Pointers<libc::mmsghdr> {}

/// A socket address as the kernel writes it (`sockaddr_in`, `sockaddr_in6`).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
struct Name([u8; 28]);

impl Name {
    fn address(&self) -> Option<SocketAddr> {
        let family = u16::from_ne_bytes(self.field(0));
        let port = u16::from_be_bytes(self.field(2));
        match i32::from(family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(self.field::<4>(4));
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                let flow = u32::from_be_bytes(self.field(4));
                let ip = Ipv6Addr::from(self.field::<16>(8));
                let scope = u32::from_ne_bytes(self.field(24));
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    fn field<const LEN: usize>(&self, at: usize) -> [u8; LEN] {
        let mut field = [0; LEN];
        field.copy_from_slice(&self.0[at..at + LEN]);
        field
    }
}

/// A control message with one small value, as the kernel reads and writes it (`cmsghdr`).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Control {
    /// The header and as much of the value as is used.
    len: usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: [u8; size_of::<usize>()],
}

impl Control {
    const HEADER_LEN: usize = mem::offset_of!(Self, value);

    /// Says how long each datagram of a message is to be.
    fn segment(len: u16) -> Self {
        let mut value = [0; _];
        let [first, second] = len.to_ne_bytes();
        value[0] = first;
        value[1] = second;
        Self {
            len: Self::HEADER_LEN + size_of::<u16>(),
            level: libc::SOL_UDP,
            kind: libc::UDP_SEGMENT,
            value,
        }
    }
}

/// What the kernel told of a message: control messages, one behind the other.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Told([u8; Self::LEN]);

impl Default for Told {
    fn default() -> Self {
        Self([0; Self::LEN])
    }
}

impl Told {
    /// Room for a time and a length.
    const LEN: usize = 64;

    /// How long each datagram of a message is, if the kernel wrote that.
    fn coalesced(&self, written: usize) -> Option<usize> {
        let value = self.value(written, (libc::SOL_UDP, libc::UDP_GRO))?;
        usize::try_from(libc::c_int::from_ne_bytes(*value.first_chunk()?))
            .ok()
            .filter(|len| *len > 0)
    }

    /// When a message arrived, if the kernel wrote that (`timespec` of 64-bit machines).
    fn arrived_at(&self, written: usize) -> Option<Duration> {
        let value = self.value(written, (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS))?;
        let (seconds, nanos) = value.split_at_checked(size_of::<i64>())?;
        let seconds = u64::try_from(i64::from_ne_bytes(*seconds.first_chunk()?)).ok()?;
        let nanos = u32::try_from(i64::from_ne_bytes(*nanos.first_chunk()?)).ok()?;
        Some(Duration::new(seconds, nanos))
    }

    /// The value of the first control message of a level and kind.
    fn value(&self, written: usize, wanted: (libc::c_int, libc::c_int)) -> Option<&[u8]> {
        let mut rest = self.0.get(..written)?;
        while let Some((header, values)) = rest.split_at_checked(Control::HEADER_LEN) {
            let field = |at: usize| header.get(at..at + 4)?.first_chunk().copied();
            let len = usize::from_ne_bytes(*header.first_chunk()?);
            let level = libc::c_int::from_ne_bytes(field(mem::offset_of!(Control, level))?);
            let kind = libc::c_int::from_ne_bytes(field(mem::offset_of!(Control, kind))?);
            let value = values.get(..len.checked_sub(Control::HEADER_LEN)?)?;
            if (level, kind) == wanted {
                return Some(value);
            }
            rest = rest.get(len.next_multiple_of(size_of::<usize>())..)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(
            size_of::<Name>(),
            size_of::<libc::sockaddr_in6>().next_multiple_of(8)
        );
        assert_eq!(Control::HEADER_LEN, size_of::<libc::cmsghdr>());
        assert_eq!(
            mem::offset_of!(Control, level),
            mem::offset_of!(libc::cmsghdr, cmsg_level)
        );
        assert_eq!(
            mem::offset_of!(Control, kind),
            mem::offset_of!(libc::cmsghdr, cmsg_type)
        );
        // The space a value of four bytes takes, and one of two fits.
        assert_eq!(size_of::<Control>(), 24);
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for address in [
            "192.0.2.7:5004",
            "[2001:db8::7]:65535",
            "[fe80::1%3]:9",
            "[::ffff:192.0.2.7]:1",
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let written = SockAddr::from(address);
            let mut bytes = vec![0; written.len() as usize];
            // The library prints no bytes, so the kernel's layout is spelt out again here.
            match address {
                SocketAddr::V4(v4) => {
                    bytes[..2].copy_from_slice(&written.family().to_ne_bytes());
                    bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                    bytes[4..8].copy_from_slice(&v4.ip().octets());
                }
                SocketAddr::V6(v6) => {
                    bytes[..2].copy_from_slice(&written.family().to_ne_bytes());
                    bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
                    bytes[8..24].copy_from_slice(&v6.ip().octets());
                    bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                }
            }
            let mut name = Name::default();
            name.0[..bytes.len()].copy_from_slice(&bytes);
            assert_eq!(name.address(), Some(address));
        }
        assert_eq!(Name::default().address(), None);
    }

    #[test]
    fn control_messages_count_only_if_they_are_known_and_whole() {
        let message = |level: libc::c_int, kind: libc::c_int, value: &[u8]| {
            let len = Control::HEADER_LEN + value.len();
            let mut bytes = len.to_ne_bytes().to_vec();
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        };
        let time = |seconds: i64, nanos: i64| {
            let value = [seconds.to_ne_bytes(), nanos.to_ne_bytes()].concat();
            message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &value)
        };
        let length = |len: i32| message(libc::SOL_UDP, libc::UDP_GRO, &len.to_ne_bytes());
        let segment = message(libc::SOL_UDP, libc::UDP_SEGMENT, &1_200_i32.to_ne_bytes());
        let noon = Some(Duration::new(12, 34));
        for (told, cut, expected) in [
            (vec![], 0, (None, None)),
            (length(1_200), 0, (Some(1_200), None)),
            (length(0), 0, (None, None)),
            (length(-1), 0, (None, None)),
            (time(12, 34), 0, (None, noon)),
            (time(-1, 34), 0, (None, None)),
            ([time(12, 34), length(900)].concat(), 0, (Some(900), noon)),
            (
                [segment.clone(), length(900)].concat(),
                0,
                (Some(900), None),
            ),
            (segment, 0, (None, None)),
            ([time(12, 34), length(900)].concat(), 6, (None, noon)),
            (length(1_200), 20, (None, None)),
            (vec![0; 40], 0, (None, None)),
            (vec![0xff; 40], 0, (None, None)),
        ] {
            let mut buffer = Told::default();
            buffer.0[..told.len()].copy_from_slice(&told);
            let written = told.len() - cut;
            let read = (buffer.coalesced(written), buffer.arrived_at(written));
            assert_eq!(read, expected, "{told:?} without {cut}");
        }
        assert_eq!(Told::default().coalesced(Told::LEN + 1), None);
    }
}
