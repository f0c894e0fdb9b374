//! The dependency descriptor of the AV1 RTP specification (appendix A), which tells in a
//! header extension what layers a frame is of, and where a decoder may change between them.
//! What is inside frames is not looked at: it may be encrypted.
//!
//! Most descriptors name a template; the templates come with each keyframe.

use crate::LayerFrame;
use crate::layer_frame::Numbers;

/// Whether a packet begins a picture that stands alone: its dependency descriptor brings
/// templates, or, where there is none, its aggregation header says so.
pub fn av1_starts_keyframe(descriptor: &[u8], payload: &[u8]) -> bool {
    match descriptor {
        [] => payload
            .first()
            .is_some_and(|header| header & NEW_SEQUENCE != 0),
        [first, _, _, flags, ..] => first & START != 0 && flags & STRUCTURE != 0,
        _ => false,
    }
}

/// The N bit of an aggregation header.
const NEW_SEQUENCE: u8 = 0x08;
/// First packet of a frame.
const START: u8 = 0x80;
/// Templates follow.
const STRUCTURE: u8 = 0x80;

/// What is known of one stream from its dependency descriptors.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    newest: Structure,
    /// For packets that come late.
    before: Structure,
}

/// The templates of a stream.
#[derive(Clone, Debug)]
struct Structure {
    /// The number of the first template.
    first: u8,
    targets: u8,
    count: u8,
    templates: [Template; MOST_TEMPLATES],
    /// The spatial and temporal layer that each target shows.
    shows: [(u8, u8); MOST_TARGETS],
}

const MOST_TEMPLATES: usize = 64;
const MOST_TARGETS: usize = 32;

impl Default for Structure {
    fn default() -> Self {
        Self {
            first: 0,
            targets: 0,
            count: 0,
            templates: [Template::default(); MOST_TEMPLATES],
            shows: [(0, 0); MOST_TARGETS],
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: Indications,
}

/// What a frame is to each decode target, two bits for each.
#[derive(Clone, Copy, Debug, Default)]
struct Indications(u64);

impl Indications {
    /// It is not part of it.
    const ABSENT: u64 = 0;
    /// From it on the target can be decoded.
    const SWITCH: u64 = 2;

    fn of(self, target: u8) -> u64 {
        self.0 >> (2 * u32::from(target)) & 3
    }

    fn read(bits: &mut Bits<'_>, targets: u8) -> Option<Self> {
        let mut read = 0;
        for target in 0..targets {
            read |= u64::from(bits.take(2)?) << (2 * u32::from(target));
        }
        Some(Self(read))
    }
}

impl Dependencies {
    /// Whether no templates came yet, so that nothing can be read but what brings them.
    pub fn is_empty(&self) -> bool {
        self.newest.count == 0
    }

    /// Reads the descriptor of one packet; `None` if it is cut short, or names a template
    /// that is not known.
    pub fn read(&mut self, descriptor: &[u8]) -> Option<LayerFrame> {
        let mut bits = Bits::new(descriptor);
        let start = bits.flag()?;
        let end = bits.flag()?;
        let template = bits.take(6)? as u8;
        let number = bits.take(16)? as u16;
        let mut custom = false;
        let mut keyframe = false;
        if descriptor.len() > MANDATORY {
            let brings_templates = bits.flag()?;
            let active_targets = bits.flag()?;
            custom = bits.flag()?;
            // Of its own differences and chains, which follow what is read here.
            bits.take(2)?;
            if brings_templates {
                let structure = Structure::read(&mut bits)?;
                // It comes again with each packet that repeats the keyframe's start.
                if !structure.is(&self.newest) {
                    self.before = std::mem::replace(&mut self.newest, structure);
                }
                keyframe = start;
            }
            if active_targets {
                bits.take(u32::from(self.newest.targets))?;
            }
        }
        let (structure, template) = [&self.newest, &self.before]
            .into_iter()
            .find_map(|structure| Some((structure, structure.template(template)?)))?;
        let indications = if custom {
            Indications::read(&mut bits, structure.targets)?
        } else {
            template.indications
        };
        Some(LayerFrame {
            spatial: template.spatial,
            temporal: template.temporal,
            start,
            end,
            keyframe: keyframe && template.spatial == 0,
            stands_alone: keyframe && template.spatial == 0,
            switching_up: structure.switches_up(template, indications),
            number: Some(number),
            base_index: None,
            numbers: Numbers::Dependencies,
        })
    }
}

/// Bytes of a descriptor that tells nothing but a template and a number.
const MANDATORY: usize = 3;

impl Structure {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let mut read = Self {
            first: bits.take(6)? as u8,
            targets: bits.take(5)? as u8 + 1,
            ..Self::default()
        };
        read.read_layers(bits)?;
        let count = usize::from(read.count);
        for template in &mut read.templates[..count] {
            template.indications = Indications::read(bits, read.targets)?;
        }
        for _ in 0..count {
            while bits.flag()? {
                bits.take(4)?;
            }
        }
        read.pass_chains(bits)?;
        read.find_targets();
        if bits.flag()? {
            let highest = read.templates[..count].iter().map(|it| it.spatial).max();
            for _ in 0..=highest.unwrap_or(0) {
                bits.take(32)?;
            }
        }
        Some(read)
    }

    /// The layers of all templates: each says what the next one's are.
    fn read_layers(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let (mut spatial, mut temporal) = (0, 0);
        loop {
            let template = self.templates.get_mut(usize::from(self.count))?;
            (template.spatial, template.temporal) = (spatial, temporal);
            self.count += 1;
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Some(()),
            }
            if spatial > MOST_SPATIAL || temporal > MOST_TEMPORAL {
                return None;
            }
        }
    }

    fn pass_chains(&self, bits: &mut Bits<'_>) -> Option<()> {
        let chains = bits.less_than(u32::from(self.targets) + 1)?;
        if chains == 0 {
            return Some(());
        }
        for _ in 0..self.targets {
            bits.less_than(chains)?;
        }
        for _ in 0..u32::from(self.count) * chains {
            bits.take(4)?;
        }
        Some(())
    }

    /// A target shows the highest layers of all that is part of it.
    fn find_targets(&mut self) {
        for target in 0..self.targets {
            let shows = &mut self.shows[usize::from(target)];
            for template in &self.templates[..usize::from(self.count)] {
                if template.indications.of(target) != Indications::ABSENT {
                    shows.0 = shows.0.max(template.spatial);
                    shows.1 = shows.1.max(template.temporal);
                }
            }
        }
    }

    fn template(&self, number: u8) -> Option<&Template> {
        let index = number.wrapping_sub(self.first) & 0x3f;
        self.templates[..usize::from(self.count)].get(usize::from(index))
    }

    /// Whether every target that shows the frame's layer at a higher rate can be decoded
    /// from it on.
    fn switches_up(&self, frame: &Template, indications: Indications) -> bool {
        (0..self.targets).all(|target| {
            let (spatial, temporal) = self.shows[usize::from(target)];
            let higher = spatial == frame.spatial && temporal > frame.temporal;
            !higher || indications.of(target) == Indications::SWITCH
        })
    }

    fn is(&self, other: &Self) -> bool {
        let of = |structure: &Self| {
            let templates = structure
                .templates
                .map(|it| (it.spatial, it.temporal, it.indications.0));
            (
                structure.first,
                structure.targets,
                structure.count,
                templates,
            )
        };
        of(self) == of(other)
    }
}

/// As many as bits of a layer's number in the codec.
const MOST_SPATIAL: u8 = 3;
const MOST_TEMPORAL: u8 = 7;

/// Bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// The next `count` bits, 32 at most, as a number.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut number: u32 = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            number = number << 1 | u32::from(bit);
            self.at += 1;
        }
        Some(number)
    }

    /// A number less than `limit`, in as few bits as that takes (ns(n) of the AV1
    /// specification).
    fn less_than(&mut self, limit: u32) -> Option<u32> {
        let width = u32::BITS - limit.leading_zeros();
        let short = (1 << width) - limit;
        let number = self.take(width.saturating_sub(1))?;
        if number < short {
            return Some(number);
        }
        Some((number << 1) - short + self.take(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes bits, the highest of each byte first.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, count: u32, number: u32) -> &mut Self {
            self.0
                .extend((0..count).rev().map(|bit| number >> bit & 1 == 1));
            self
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                let bits = bits.iter().enumerate();
                bits.fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
            };
            self.0.chunks(8).map(byte).collect()
        }
    }

    /// Two sizes at two rates: four decode targets, one chain, templates from 60 on.
    fn structure(writer: &mut Writer) {
        writer.put(6, 60).put(5, 3);
        // S0 T0, S0 T1, S1 T0, S1 T1.
        for next in [1, 2, 1, 3] {
            writer.put(2, next);
        }
        // For the targets S0T0, S0T1, S1T0, S1T1.
        for indications in [[2, 2, 2, 2], [0, 2, 0, 2], [0, 0, 2, 2], [0, 0, 0, 1]] {
            for indication in indications {
                writer.put(2, indication);
            }
        }
        for differences in [&[][..], &[2], &[1], &[2, 1]] {
            for difference in differences {
                writer.put(1, 1).put(4, difference - 1);
            }
            writer.put(1, 0);
        }
        // One chain of at most four: ns(5) of 1 takes two bits; ns(1) takes none.
        writer.put(2, 1);
        for difference in [4, 1, 1, 1] {
            writer.put(4, difference);
        }
        writer.put(1, 1);
        for size in [319, 179, 639, 359] {
            writer.put(16, size);
        }
    }

    fn keyframe() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(2, 0b10).put(6, 60).put(16, 7);
        writer.put(5, 0b10000);
        structure(&mut writer);
        writer.bytes()
    }

    fn other(flags: u32, template: u32, number: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(2, flags).put(6, template).put(16, number);
        writer.bytes()
    }

    #[test]
    fn a_frame_is_what_its_template_says() {
        let mut known = Dependencies::default();
        assert_eq!(known.read(&other(0b11, 60, 6)), None, "no templates yet");
        assert!(known.is_empty());
        let first = known.read(&keyframe()).unwrap();
        assert!(!known.is_empty());
        assert!(first.keyframe && first.start && !first.end);
        assert_eq!((first.spatial, first.temporal), (0, 0));
        assert_eq!(first.number, Some(7));
        for (template, spatial, temporal, switching_up) in [
            (60, 0, 0, true),
            (61, 0, 1, true),
            (62, 1, 0, true),
            // Templates are counted on past 63.
            (63, 1, 1, true),
        ] {
            let read = known.read(&other(0b11, template, 8)).unwrap();
            assert_eq!(
                (read.spatial, read.temporal),
                (spatial, temporal),
                "{template}"
            );
            assert_eq!(read.switching_up, switching_up, "{template}");
            assert!(read.start && read.end && !read.keyframe);
        }
        assert_eq!(known.read(&other(0b11, 0, 8)), None, "no such template");
    }

    #[test]
    fn a_frame_can_be_something_else_to_its_targets_than_its_template() {
        let mut known = Dependencies::default();
        known.read(&keyframe()).unwrap();
        // S0 T0, required by the target of the higher rate: no place to begin that.
        let mut writer = Writer::default();
        writer.put(2, 0b11).put(6, 60).put(16, 9).put(5, 0b00100);
        for indication in [2, 3, 2, 2] {
            writer.put(2, indication);
        }
        let read = known.read(&writer.bytes()).unwrap();
        assert!(!read.switching_up);
    }

    #[test]
    fn bad_r8_what_is_cut_is_no_descriptor() {
        let whole = keyframe();
        for len in 0..whole.len() {
            let mut known = Dependencies::default();
            let read = known.read(&whole[..len]);
            assert!(read.is_none() || len + 1 >= whole.len(), "{len}: {read:?}");
        }
        // Layers without an end.
        let endless = [0x80, 0, 0, 0x80, 0x00, 0x00]
            .into_iter()
            .chain([0x00; 200]);
        let endless: Vec<u8> = endless.collect();
        assert_eq!(Dependencies::default().read(&endless), None);
        assert_eq!(Dependencies::default().read(&[0xff; 255]), None);
    }

    #[test]
    fn a_late_packet_is_read_by_the_templates_of_its_time() {
        let mut known = Dependencies::default();
        known.read(&keyframe()).unwrap();
        // One layer, one target, template 5.
        let mut writer = Writer::default();
        writer.put(2, 0b10).put(6, 5).put(16, 20).put(5, 0b10000);
        writer.put(6, 5).put(5, 0).put(2, 3).put(2, 2).put(1, 0);
        writer.put(1, 0).put(1, 0);
        assert!(known.read(&writer.bytes()).unwrap().keyframe);
        let late = known.read(&other(0b01, 62, 19)).unwrap();
        assert_eq!(late.spatial, 1);
        assert_eq!(known.read(&other(0b01, 5, 21)).unwrap().spatial, 0);
    }

    #[test]
    fn keyframes_are_seen_with_and_without_a_descriptor() {
        for (descriptor, payload, expected) in [
            (&keyframe()[..], &[0x10][..], true),
            (&other(0b10, 60, 8), &[0x18], false),
            (&[], &[0x18], true),
            (&[], &[0x10], false),
            (&[], &[], false),
        ] {
            assert_eq!(av1_starts_keyframe(descriptor, payload), expected);
        }
    }

    #[test]
    fn renumbering_changes_the_frame_number_alone() {
        let mut known = Dependencies::default();
        let whole = keyframe();
        let frame = known.read(&whole).unwrap();
        let head = frame.renumbered(&whole, 0xfffe, 0);
        assert_eq!(head.as_bytes(), [whole[0], 0, 5]);
    }
}
