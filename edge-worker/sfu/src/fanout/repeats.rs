//! Whether a subscriber gets earlier frames of sound repeated with each new one (RFC 2198): they
//! double what sound takes, and help where packets are lost. As the publisher sends them they
//! may be taken; where it sends none they are made for those who lose packets.

use media::ReceptionReport;

/// How dear repeated sound is to a subscriber.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Repeats {
    /// It takes them as they come.
    #[default]
    AsPublished,
    /// It takes them only while packets are lost.
    AgainstLoss,
}

/// What is lost on the way to one subscriber.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    /// In 1/256, over several reports.
    smoothed: f32,
    lossy: Lossy,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Lossy {
    #[default]
    No,
    Yes,
}

/// Sound with losses beyond 3 % is worth its repetition, ...
const BEGIN: f32 = 0.03 * 256.0;

/// ... until hardly anything is lost any more.
const END: f32 = 0.01 * 256.0;

/// Reports come some times a second or every few seconds; one lost packet is no loss.
const SMOOTHING: f32 = 0.3;

impl Losses {
    pub(super) fn hear(&mut self, report: &ReceptionReport) {
        self.smoothed += (f32::from(report.fraction_lost) - self.smoothed) * SMOOTHING;
        self.lossy = match self.lossy {
            Lossy::No if self.smoothed >= BEGIN => Lossy::Yes,
            Lossy::Yes if self.smoothed < END => Lossy::No,
            same @ (Lossy::No | Lossy::Yes) => same,
        };
    }

    /// Whether so much is lost that repetition is worth making.
    pub(super) fn matter(&self) -> bool {
        self.lossy == Lossy::Yes
    }

    /// Whether repetition is wanted now, where there is one.
    pub(super) fn want(&self, repeats: Repeats) -> bool {
        match repeats {
            Repeats::AsPublished => true,
            Repeats::AgainstLoss => self.lossy == Lossy::Yes,
        }
    }
}

/// Whether frames that are sent alone may be repeated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Wrapping {
    #[default]
    Allowed,
    /// They are encrypted: their receiver takes a packet for one frame.
    Forbidden,
}
