//! Counts one received RTP stream: what arrived, what is missing, what came twice.

use serde::Serialize;

/// The count of one stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// Different packets that arrived.
    pub packets: u64,
    /// Packets that are missing now, between the first and the newest.
    pub lost: u64,
    /// How often the numbers skipped, whether or not the missing came later.
    pub gaps: u64,
    /// Packets that arrived more than once.
    pub duplicates: u64,
    /// Pictures or sounds: packets with the marker for video, all packets for audio.
    pub frames: u64,
    /// Pictures that stand alone.
    pub keyframes: u64,
    #[serde(skip)]
    numbers: Option<Numbers>,
}

/// Which of the newest [`WINDOW`] numbers arrived.
#[derive(Debug, Clone)]
struct Numbers {
    first: u64,
    newest: u64,
    arrived: Vec<bool>,
}

/// Longer than any resend takes, shorter than a turn of the 16-bit numbers.
const WINDOW: u64 = 4096;

impl Tally {
    /// Counts a packet by its sequence number.
    pub fn count(&mut self, number: u16) {
        let Some(numbers) = &mut self.numbers else {
            // Far enough from zero that an older packet still has a number.
            let first = u64::from(number) + 0x1_0000;
            let mut arrived = vec![false; WINDOW as usize];
            arrived[(first % WINDOW) as usize] = true;
            self.numbers = Some(Numbers {
                first,
                newest: first,
                arrived,
            });
            self.packets = 1;
            return;
        };
        let ahead = number.wrapping_sub(numbers.newest as u16) as i16;
        let unwrapped = numbers.newest.saturating_add_signed(i64::from(ahead));
        if ahead > 0 {
            if ahead > 1 {
                self.gaps += 1;
            }
            for between in numbers.newest + 1..unwrapped {
                numbers.arrived[(between % WINDOW) as usize] = false;
            }
            numbers.newest = unwrapped;
        } else if numbers.newest - unwrapped >= WINDOW
            || numbers.arrived[(unwrapped % WINDOW) as usize]
        {
            self.duplicates += 1;
            return;
        } else if unwrapped < numbers.first {
            numbers.first = unwrapped;
        }
        numbers.arrived[(unwrapped % WINDOW) as usize] = true;
        self.packets += 1;
        self.lost = (numbers.newest - numbers.first + 1).saturating_sub(self.packets);
    }

    /// Whether all numbers came once and in order.
    pub fn is_continuous(&self) -> bool {
        self.gaps == 0 && self.lost == 0 && self.duplicates == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_late_and_repeated_packets_are_told_apart() {
        // numbers, packets, lost, gaps, duplicates
        let cases: [(&[u16], u64, u64, u64, u64); 6] = [
            (&[1, 2, 3], 3, 0, 0, 0),
            (&[65_534, 65_535, 0, 1], 4, 0, 0, 0),
            (&[1, 2, 5], 3, 2, 1, 0),
            (&[1, 3, 2], 3, 0, 1, 0),
            (&[1, 2, 2], 2, 0, 0, 1),
            (&[5, 4, 6], 3, 0, 0, 0),
        ];
        for (numbers, packets, lost, gaps, duplicates) in cases {
            let mut tally = Tally::default();
            numbers.iter().for_each(|number| tally.count(*number));
            let found = (tally.packets, tally.lost, tally.gaps, tally.duplicates);
            assert_eq!(found, (packets, lost, gaps, duplicates), "{numbers:?}");
        }
    }

    #[test]
    fn the_count_survives_a_turn_of_the_numbers() {
        let mut tally = Tally::default();
        (0..200_000_u32).for_each(|number| tally.count(number as u16));
        assert!(tally.is_continuous());
        assert_eq!(tally.packets, 200_000);
    }
}
