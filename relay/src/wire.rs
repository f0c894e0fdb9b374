//! One connection of a link, as the node sends over it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::Bitrate;
use quinn::Connection;
use relay_proto::Frame;

use crate::close::Close;
use crate::quic::{DATAGRAM_BUFFER, Shared};

/// A connection, and the congestion controller it has of us.
pub(crate) struct Wire {
    connection: Connection,
    congestion: Shared,
    /// Datagrams that QUIC did not take.
    refused: u64,
}

impl Wire {
    /// What may wait in QUIC: what waits there can be neither reordered nor left out, so it is what
    /// is sent until the next wake-up, which comes a millisecond or two later...
    const IN_QUIC: Duration = Duration::from_millis(3);
    /// ...and on a slow line some packets.
    const LEAST: usize = 20 << 10;

    /// `None` if the connection is not under our controller.
    pub(crate) fn new(connection: Connection) -> Option<Self> {
        Some(Self {
            congestion: Shared::of(&connection)?,
            connection,
            refused: 0,
        })
    }

    /// Never less than this from now on.
    pub(crate) fn set_least(&self, least: Bitrate) {
        self.congestion.set_least(least);
    }

    /// What may be sent in a second; `held_back` tells whether more waits.
    pub(crate) fn rate(&self, held_back: bool) -> Bitrate {
        self.congestion.rate(held_back)
    }

    /// What the path is believed to carry for longer.
    pub(crate) fn carries(&self) -> Bitrate {
        self.congestion.carries()
    }

    /// How many bytes QUIC should take now, at that `rate`.
    pub(crate) fn room(&self, rate: Bitrate) -> usize {
        let waiting = DATAGRAM_BUFFER.saturating_sub(self.connection.datagram_send_buffer_space());
        let bytes = rate.0 as f64 / 8.0 * Self::IN_QUIC.as_secs_f64();
        (bytes as usize)
            .clamp(Self::LEAST, DATAGRAM_BUFFER / 2)
            .saturating_sub(waiting)
    }

    /// QUIC takes nothing more. It looks whether it may send only when something is given to it.
    pub(crate) fn try_again(&mut self, now: Instant) {
        if self.congestion.tries(now) {
            let mut datagram = BytesMut::new();
            Frame::Padding.write(&mut datagram);
            self.send(datagram.freeze());
        }
    }

    pub(crate) fn send(&mut self, datagram: Bytes) {
        if self.connection.send_datagram(datagram).is_err() {
            self.refused += 1;
        }
    }

    /// Datagrams that QUIC did not take: they are larger than the path carries, or it is closed.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn close(&self, why: Close) {
        why.close(&self.connection);
    }
}
