//! What one node sent and what another had of it, together: shares, delays and gaps.

use std::collections::BTreeMap;

use super::{
    order::{LayerName, Nanos, Report, Sent},
    sources::{Kind, Source},
    tally::Came,
};

/// Of sound and of pictures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Of all voices.
    pub sound: Flow,
    /// Of all cameras.
    pub pictures: Flow,
}

/// Of all layers of a kind.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Packets sent.
    pub sent: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Pictures sent.
    pub pictures: u64,
    /// Packets that came, each once.
    pub came: u64,
    /// Of them, those in time.
    pub in_time: u64,
    /// Pictures that came whole and in time.
    pub whole: u64,
    /// Of them, those that could be decoded.
    pub decodable: u64,
    /// The longest time without a packet of one layer.
    pub longest_silence: Nanos,
    /// The longest time without a picture of one layer that could be decoded.
    pub longest_freeze: Nanos,
    /// Microseconds, in order.
    delays_us: Vec<u32>,
}

impl Figures {
    /// `sources` were published by who reports `from`, and wanted by who reports `to`. Layers that
    /// were not wanted do not count.
    pub fn of(sources: &[Source], from: &Report, to: &Report) -> Self {
        let sent: BTreeMap<&LayerName, &Sent> =
            from.sent.iter().map(|sent| (&sent.layer, sent)).collect();
        let mut figures = Self::default();
        for came in &to.came {
            let source = sources.iter().find(|one| one.track == came.layer.track);
            let (Some(source), Some(sent)) = (source, sent.get(&came.layer)) else {
                continue;
            };
            match source.kind {
                Kind::Voice => figures.sound.add(sent, came),
                Kind::Camera => figures.pictures.add(sent, came),
            }
        }
        figures.sound.delays_us.sort_unstable();
        figures.pictures.delays_us.sort_unstable();
        figures
    }

    /// Of all packets, those in time, in percent.
    pub fn in_time(&self) -> f64 {
        percent(
            self.sound.in_time + self.pictures.in_time,
            self.sound.sent + self.pictures.sent,
        )
    }
}

impl Flow {
    fn add(&mut self, sent: &Sent, came: &Came) {
        self.sent += sent.packets;
        self.bytes += sent.bytes;
        self.pictures += sent.pictures;
        self.came += came.packets;
        self.in_time += came.in_time;
        self.whole += came.whole;
        self.decodable += came.decodable;
        self.longest_silence = self.longest_silence.max(came.longest_silence);
        self.longest_freeze = self.longest_freeze.max(came.longest_freeze);
        self.delays_us.extend(&came.delays_us);
    }

    /// Of the packets sent, those that came in time, in percent.
    pub fn share_in_time(&self) -> f64 {
        percent(self.in_time, self.sent)
    }

    /// Of the pictures sent, those that came whole and in time, in percent.
    pub fn share_whole(&self) -> f64 {
        percent(self.whole, self.pictures)
    }

    /// Of the pictures sent, those that could be shown, in percent.
    pub fn share_decodable(&self) -> f64 {
        percent(self.decodable, self.pictures)
    }

    /// The time that this share of what came did not exceed, in milliseconds.
    pub fn delay_ms(&self, share: f64) -> f64 {
        quantile(&self.delays_us, share) / 1e3
    }
}

/// The value that `share` of all, which are in order, do not exceed; not a number if there are none.
pub fn quantile<T: Copy + Into<f64>>(values: &[T], share: f64) -> f64 {
    let index = (values.len() as f64 * share).ceil().max(1.0) as usize - 1;
    values.get(index).map_or(f64::NAN, |value| (*value).into())
}

/// One of another; not a number of nothing.
pub fn percent(part: u64, of: u64) -> f64 {
    if of == 0 {
        return f64::NAN;
    }
    part as f64 / of as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let values: Vec<u32> = (1..=1_000).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            assert_eq!(quantile(&values, share), expected);
        }
        assert!(quantile::<u32>(&[], 0.5).is_nan());
        assert!(percent(0, 0).is_nan());
        assert_eq!(percent(1, 4), 25.0);
    }
}
