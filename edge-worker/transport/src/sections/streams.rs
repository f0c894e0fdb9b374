//! Which m-line and encoding an RTP packet belongs to (RFC 9143 section 9.2, RFC 8852).
//!
//! Each encoding has one stream and one repair stream at a time, so what packets can
//! make us remember is bounded by what was negotiated.

use media::{Codec, Mid, PayloadType, Rid, Ssrc};
use rustc_hash::FxHashMap;

use super::codecs::Carried;
use crate::sdp::{Section, SsrcGroupKind};

/// What a packet says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpIdentity {
    pub(crate) ssrc: Ssrc,
    pub(crate) payload_type: PayloadType,
    pub(crate) mid: Option<Mid>,
    pub(crate) rid: Option<Rid>,
    pub(crate) repaired_rid: Option<Rid>,
}

/// What it belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stream {
    /// The m-line.
    pub(crate) mid: Mid,
    /// The simulcast encoding, where there are several.
    pub(crate) rid: Option<Rid>,
    /// Of a repair: what the repaired packet is encoded in.
    pub(crate) codec: Codec,
    /// The stream this packet repairs, if it is a repair.
    pub(crate) repairs: Option<Ssrc>,
    /// Of a repair: the payload type of the repaired packet.
    pub(crate) payload_type: PayloadType,
}

/// What is known of the streams of a transport.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: FxHashMap<Ssrc, Known>,
    /// By index of the m-line.
    lanes: Vec<Option<Lane>>,
    by_mid: FxHashMap<Mid, usize>,
}

/// Where a stream belongs.
#[derive(Clone, Copy, Debug)]
struct Known {
    lane: usize,
    encoding: usize,
    part: Part,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Primary,
    Repair,
}

/// One m-line in which the client sends.
#[derive(Debug)]
struct Lane {
    mid: Mid,
    formats: Vec<Format>,
    encodings: Vec<Encoding>,
    /// The stream last described; one learned since is newer.
    described: Option<Ssrc>,
    /// A stream and its repairs, as described.
    pairs: Vec<(Ssrc, Ssrc)>,
}

#[derive(Debug)]
struct Encoding {
    rid: Option<Rid>,
    primary: Option<Ssrc>,
    repair: Option<Ssrc>,
}

#[derive(Clone, Copy, Debug)]
struct Format {
    written: u8,
    part: Part,
    codec: Codec,
    media: PayloadType,
}

impl Streams {
    /// Takes what the client sends in the m-line at `index`. What was learned stays as
    /// long as the m-line keeps its name and encodings.
    pub(super) fn open(
        &mut self,
        index: usize,
        mid: Mid,
        section: &Section,
        carried: &[Carried],
        rids: &[Rid],
    ) {
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, || None);
        }
        if !self.lanes[index]
            .as_ref()
            .is_some_and(|lane| lane.is(mid, rids))
        {
            self.close(index);
            self.by_mid.insert(mid, index);
            self.lanes[index] = Some(Lane::new(mid, rids));
        }
        if let Some(lane) = &mut self.lanes[index] {
            lane.formats = formats(carried);
            lane.pairs = pairs(section);
        }
        if rids.is_empty() {
            self.take_described(index, section);
        }
    }

    /// Forgets the m-line at `index` and its streams.
    pub(super) fn close(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index).and_then(Option::take) else {
            return;
        };
        self.by_mid.remove(&lane.mid);
        for encoding in lane.encodings {
            for ssrc in [encoding.primary, encoding.repair].into_iter().flatten() {
                self.known.remove(&ssrc);
            }
        }
    }

    /// The only encoding of an m-line has the first stream described and its repairs.
    fn take_described(&mut self, index: usize, section: &Section) {
        let pairs = pairs(section);
        let is_repair = |ssrc: Ssrc| pairs.iter().any(|(_, repair)| *repair == ssrc);
        let mut described = section.ssrcs.iter().map(|line| line.ssrc);
        let Some(primary) = described.find(|ssrc| ssrc.0 != 0 && !is_repair(*ssrc)) else {
            return;
        };
        let lane = self.lanes[index].as_mut();
        if lane.is_none_or(|lane| lane.described.replace(primary) == Some(primary)) {
            return;
        }
        self.learn(primary, index, 0, Part::Primary);
        if let Some((_, repair)) = pairs.iter().find(|(of, _)| *of == primary) {
            self.learn(*repair, index, 0, Part::Repair);
        }
    }

    pub(super) fn identify(&mut self, packet: &RtpIdentity) -> Option<Stream> {
        let known = match self.known.get(&packet.ssrc) {
            Some(known) if self.agrees(known, packet)? => *known,
            Some(_) | None => self.discover(packet)?,
        };
        let lane = self.lanes[known.lane].as_ref()?;
        let encoding = &lane.encodings[known.encoding];
        let format = lane.format(packet.payload_type)?;
        if format.part != known.part {
            return None;
        }
        let repairs = match known.part {
            Part::Primary => None,
            Part::Repair => Some(encoding.primary?),
        };
        Some(Stream {
            mid: lane.mid,
            rid: encoding.rid,
            codec: format.codec,
            repairs,
            payload_type: format.media,
        })
    }

    /// Whether a packet of a known stream says nothing else of itself: `Some(false)` if
    /// it names another encoding, `None` if it names another m-line, whose streams it
    /// cannot take.
    fn agrees(&self, known: &Known, packet: &RtpIdentity) -> Option<bool> {
        let lane = self.lanes[known.lane].as_ref()?;
        if packet.mid.is_some_and(|mid| mid != lane.mid) {
            return None;
        }
        let own = lane.encodings[known.encoding].rid;
        let said = match known.part {
            Part::Primary => packet.rid,
            Part::Repair => packet.repaired_rid.or(packet.rid),
        };
        Some(own.is_none() || said.is_none() || said == own)
    }

    /// Finds the place of a stream from what its packet says, and remembers it.
    fn discover(&mut self, packet: &RtpIdentity) -> Option<Known> {
        let index = match packet.mid {
            Some(mid) => *self.by_mid.get(&mid)?,
            None => self.only_taker(packet)?,
        };
        let lane = self.lanes[index].as_ref()?;
        let part = lane.format(packet.payload_type)?.part;
        let said = match part {
            Part::Primary => packet.rid,
            Part::Repair => packet.repaired_rid.or(packet.rid),
        };
        let encoding = lane.encoding(said, packet.ssrc, part)?;
        self.learn(packet.ssrc, index, encoding, part);
        Some(Known {
            lane: index,
            encoding,
            part,
        })
    }

    /// The m-line of a packet that does not name one: one that describes its stream as
    /// repairs, or the only one that takes its payload type and has no stream yet.
    fn only_taker(&self, packet: &RtpIdentity) -> Option<usize> {
        if let Some(known) = self.known.get(&packet.ssrc) {
            return Some(known.lane);
        }
        let takes = |lane: &Lane| {
            let part = lane.format(packet.payload_type).map(|format| format.part);
            let paired = || lane.pairs.iter().any(|(_, repair)| *repair == packet.ssrc);
            match (part, lane.encodings.as_slice()) {
                (None, _) => false,
                (Some(_), [only]) if only.rid.is_none() => {
                    let taken = match part {
                        Some(Part::Repair) => only.repair,
                        Some(Part::Primary) | None => only.primary,
                    };
                    taken.is_none() || paired()
                }
                (Some(part), _) => part == Part::Repair && paired(),
            }
        };
        let mut takers =
            (0..self.lanes.len()).filter(|index| self.lanes[*index].as_ref().is_some_and(takes));
        match (takers.next(), takers.next()) {
            (Some(only), None) => Some(only),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// Gives a stream its place; the one that had it is forgotten.
    fn learn(&mut self, ssrc: Ssrc, lane: usize, encoding: usize, part: Part) {
        if let Some(before) = self.known.get(&ssrc) {
            if before.lane != lane {
                return;
            }
            let before = *before;
            if let Some(place) = self.place(before) {
                *place = None;
            }
        }
        let known = Known {
            lane,
            encoding,
            part,
        };
        let Some(place) = self.place(known) else {
            return;
        };
        if let Some(old) = place.replace(ssrc)
            && old != ssrc
        {
            self.known.remove(&old);
        }
        self.known.insert(ssrc, known);
    }

    fn place(&mut self, known: Known) -> Option<&mut Option<Ssrc>> {
        let encoding = self.lanes[known.lane]
            .as_mut()?
            .encodings
            .get_mut(known.encoding)?;
        Some(match known.part {
            Part::Primary => &mut encoding.primary,
            Part::Repair => &mut encoding.repair,
        })
    }

    /// How many streams are remembered.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }
}

impl Lane {
    fn new(mid: Mid, rids: &[Rid]) -> Self {
        let encoding = |rid| Encoding {
            rid,
            primary: None,
            repair: None,
        };
        let encodings = match rids {
            [] => vec![encoding(None)],
            rids => rids.iter().map(|rid| encoding(Some(*rid))).collect(),
        };
        Self {
            mid,
            formats: Vec::new(),
            encodings,
            described: None,
            pairs: Vec::new(),
        }
    }

    fn is(&self, mid: Mid, rids: &[Rid]) -> bool {
        let own = self.encodings.iter().filter_map(|encoding| encoding.rid);
        self.mid == mid && own.eq(rids.iter().copied())
    }

    fn format(&self, payload_type: PayloadType) -> Option<Format> {
        self.formats
            .iter()
            .find(|format| format.written == payload_type.0)
            .copied()
    }

    /// The encoding of a stream: as it says, or the only one, or that of the stream it
    /// is described to repair.
    fn encoding(&self, said: Option<Rid>, ssrc: Ssrc, part: Part) -> Option<usize> {
        let position = |test: &dyn Fn(&Encoding) -> bool| self.encodings.iter().position(test);
        if let [Encoding { rid: None, .. }] = self.encodings.as_slice() {
            return Some(0);
        }
        if let Some(rid) = said {
            return position(&|encoding| encoding.rid == Some(rid));
        }
        let (primary, _) = self.pairs.iter().find(|(_, repair)| *repair == ssrc)?;
        match part {
            Part::Primary => None,
            Part::Repair => position(&|encoding| encoding.primary == Some(*primary)),
        }
    }
}

fn formats(carried: &[Carried]) -> Vec<Format> {
    let of = |carried: &Carried| {
        let media = PayloadType(carried.line.payload_type);
        let format = |written, part| Format {
            written,
            part,
            codec: carried.codec,
            media,
        };
        let rtx = carried.rtx.as_ref();
        let rtx = rtx.map(|rtx| format(rtx.payload_type, Part::Repair));
        [Some(format(media.0, Part::Primary)), rtx]
    };
    carried.iter().flat_map(of).flatten().collect()
}

fn pairs(section: &Section) -> Vec<(Ssrc, Ssrc)> {
    let groups = section.ssrc_groups.iter();
    groups
        .filter(|group| group.kind == SsrcGroupKind::Fid)
        .filter_map(|group| match group.ssrcs.as_slice() {
            [primary, repair] if primary != repair => Some((*primary, *repair)),
            _ => None,
        })
        .collect()
}
