//! Draws what happened as a picture, for somebody to look at: time to the right, kbit/s up on
//! the left scale, waiting time in the queue in ms up on the right one.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// One line of a picture.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) color: [u8; 3],
    pub(super) scale: Scale,
    /// Seconds, and kbit/s or ms.
    pub(super) points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Rate,
    Wait,
}

pub(super) const CAPACITY: [u8; 3] = [0, 0, 0];
pub(super) const ESTIMATE: [u8; 3] = [20, 80, 220];
pub(super) const SENT: [u8; 3] = [60, 170, 60];
pub(super) const WAIT: [u8; 3] = [220, 60, 60];
pub(super) const OTHER: [u8; 3] = [200, 140, 30];

const WIDTH: usize = 1_000;
const HEIGHT: usize = 420;
const LEFT: usize = 40;
const BOTTOM: usize = 390;
const TOP: usize = 12;
const RIGHT: usize = 960;

/// Writes `target/artefacts/bandwidth/<name>.png`.
pub(super) fn draw(name: &str, lines: &[Line]) {
    let mut picture = Picture(vec![[255; 3]; WIDTH * HEIGHT]);
    let most = |scale: Scale, least: f64| {
        let points = lines.iter().filter(|line| line.scale == scale);
        let values = points.flat_map(|line| line.points.iter().map(|point| point.1));
        nice(values.fold(least, f64::max))
    };
    let (rate, wait) = (most(Scale::Rate, 100.0), most(Scale::Wait, 400.0));
    let times = lines
        .iter()
        .filter_map(|line| line.points.last().map(|point| point.0));
    let end = times.fold(1.0, f64::max);
    let y = |share: f64| BOTTOM - (share.clamp(0.0, 1.0) * (BOTTOM - TOP) as f64) as usize;
    let x = |time: f64| LEFT + (time / end * (RIGHT - LEFT) as f64) as usize;
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        for column in LEFT..=RIGHT {
            picture.set(column, y(share), [225; 3]);
        }
        picture.number(2, y(share) - 4, (rate * share) as u64, CAPACITY);
        picture.number(RIGHT + 6, y(share) - 4, (wait * share) as u64, WAIT);
    }
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let step = step.into_iter().find(|step| end / step <= 15.0);
    let step = step.unwrap_or(100.0);
    for tick in 0..=(end / step) as usize {
        let column = x(tick as f64 * step);
        (TOP..BOTTOM).for_each(|row| picture.set(column, row, [235; 3]));
        picture.number(column, BOTTOM + 8, (tick as f64 * step) as u64, CAPACITY);
    }
    for line in lines {
        let most = match line.scale {
            Scale::Rate => rate,
            Scale::Wait => wait,
        };
        for pair in line.points.windows(2) {
            let [(from, before), (to, after)] = [pair[0], pair[1]];
            let (from, to) = (x(from), x(to));
            let (before, after) = (y(before / most), y(after / most));
            (from..=to).for_each(|column| picture.dot(column, before, line.color));
            (before.min(after)..=before.max(after))
                .for_each(|row| picture.dot(to, row, line.color));
        }
    }
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.push("../../target/artefacts/bandwidth");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.png")), picture.png()).unwrap();
}

/// The next round number.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let factors = [1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= value);
    factor.unwrap_or(10.0) * power
}

struct Picture(Vec<[u8; 3]>);

impl Picture {
    fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        if x < WIDTH && y < HEIGHT {
            self.0[y * WIDTH + x] = color;
        }
    }

    fn dot(&mut self, x: usize, y: usize, color: [u8; 3]) {
        self.set(x, y, color);
        self.set(x, y + 1, color);
    }

    /// Digits of three by five dots, twice as large.
    fn number(&mut self, x: usize, y: usize, number: u64, color: [u8; 3]) {
        const DIGITS: [u16; 10] = [
            0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757,
            0o75717,
        ];
        for (place, digit) in number.to_string().bytes().enumerate() {
            let dots = DIGITS[usize::from(digit - b'0')];
            for bit in (0..15).filter(|bit| dots >> (14 - bit) & 1 == 1) {
                let (column, row) = (x + place * 8 + bit % 3 * 2, y + bit / 3 * 2);
                for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    self.set(column + right, row + down, color);
                }
            }
        }
    }

    fn png(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        for row in self.0.chunks(WIDTH) {
            rows.push(0);
            rows.extend(row.iter().flatten());
        }
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&rows).unwrap();
        let mut header = Vec::new();
        header.extend((WIDTH as u32).to_be_bytes());
        header.extend((HEIGHT as u32).to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, content) in [
            (b"IHDR", header),
            (b"IDAT", packed.finish().unwrap()),
            (b"IEND", Vec::new()),
        ] {
            png.extend((content.len() as u32).to_be_bytes());
            let chunk = [&kind[..], &content].concat();
            let mut sum = flate2::Crc::new();
            sum.update(&chunk);
            png.extend(chunk);
            png.extend(sum.sum().to_be_bytes());
        }
        png
    }
}
