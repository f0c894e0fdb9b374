//! How much arrived at the client, by its own clock.

use media::Bitrate;

use super::sent::Micros;

/// Bytes that arrived in the last second and a half, in slices of time.
#[derive(Debug)]
pub(super) struct Throughput {
    slices: [u32; Self::SLICES],
    /// The number of the newest slice.
    newest: Option<i64>,
    /// The first slice anything arrived in.
    first: i64,
}

impl Throughput {
    const SLICES: usize = 60;
    const SLICE: Micros = 25_000;
    /// The shortest time worth measuring, in slices.
    const LEAST: i64 = 8;

    pub(super) fn new() -> Self {
        Self {
            slices: [0; Self::SLICES],
            newest: None,
            first: 0,
        }
    }

    pub(super) fn arrived(&mut self, arrived_at: Micros, size: u32) {
        let slice = arrived_at.div_euclid(Self::SLICE);
        let newest = match self.newest {
            Some(newest) if (newest - Self::SLICES as i64 + 1..=newest).contains(&slice) => newest,
            Some(newest) if slice < newest => return,
            Some(newest) if slice - newest < Self::SLICES as i64 => {
                for passed in newest + 1..=slice {
                    self.slices[Self::index(passed)] = 0;
                }
                slice
            }
            Some(_) | None => {
                self.slices = [0; Self::SLICES];
                self.first = slice;
                slice
            }
        };
        self.newest = Some(newest);
        let bytes = &mut self.slices[Self::index(slice)];
        *bytes = bytes.saturating_add(size);
    }

    /// What flowed in the last `ms`; `None` until there is something to measure.
    pub(super) fn over(&self, ms: u32) -> Option<Bitrate> {
        let newest = self.newest?;
        let wanted = (Micros::from(ms) * 1_000 / Self::SLICE).min(Self::SLICES as i64 - 1);
        // The newest slice is not over yet, the first began with the first packet.
        let slices = wanted.min(newest - self.first);
        if slices < Self::LEAST {
            return None;
        }
        let bytes = (newest - slices..newest).map(|slice| self.slices[Self::index(slice)]);
        let bytes: u64 = bytes.map(u64::from).sum();
        Some(Bitrate(
            bytes * 8_000_000 / (slices * Self::SLICE).unsigned_abs(),
        ))
    }

    fn index(slice: i64) -> usize {
        slice.rem_euclid(Self::SLICES as i64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flows_is_measured_over_as_long_as_wished() {
        let mut throughput = Throughput::new();
        assert_eq!(throughput.over(500), None);
        for ms in 0..3_000 {
            // A hundred bytes each millisecond, then ten.
            let size = if ms < 2_500 { 100 } else { 10 };
            throughput.arrived(-1_000_000 + ms * 1_000, size);
            let expected = (500..2_500).contains(&ms).then_some(Bitrate::kilobits(800));
            assert!(
                expected.is_none() || throughput.over(500) == expected,
                "{ms}"
            );
        }
        assert_eq!(throughput.over(400), Some(Bitrate::kilobits(80)));
        assert!(throughput.over(1_000).unwrap() > Bitrate::kilobits(400));
    }

    #[test]
    fn clocks_that_jump_begin_anew_and_late_ones_do_not_count() {
        let mut throughput = Throughput::new();
        throughput.arrived(0, 100);
        throughput.arrived(i64::MAX / 2, 100);
        assert_eq!(throughput.over(500), None);
        throughput.arrived(i64::MIN / 2, 100);
        assert_eq!(throughput.over(500), None);
        for i in 0..100 {
            throughput.arrived(i64::MAX / 2 + i * 10_000, u32::MAX);
        }
        assert!(throughput.over(500).is_some());
    }
}
