//! What one participant publishes: what it announced, what its newest offer
//! contains, and which belongs to which.

use std::time::{Duration, Instant};

use media::{Codec, MediaKind, TrackId};

use crate::{OfferedSection, Publication, Received, Refusal, TrackInfo, TrackKey};

/// The publishing half of one participant.
#[derive(Clone, Debug, Default)]
pub(super) struct Publishing {
    /// Announced, not found in an offer yet; oldest first.
    pending: Vec<Pending>,
    /// Found in the newest offer.
    slots: Vec<Slot>,
    /// In the newest offer, not announced.
    unannounced: Vec<OfferedSection>,
    /// Without an m-line here: its packets come over a link.
    linked: Vec<TrackKey>,
}

/// A publication announced, without media.
#[derive(Clone, Debug)]
struct Pending {
    publication: Publication,
    until: Instant,
}

impl Pending {
    /// What clients call it; nothing if it is a backup.
    fn shown(&self) -> Option<TrackId> {
        let publication = &self.publication;
        let id = publication.track.id;
        publication.backup_of.is_none().then_some(id)
    }
}

/// The m-line of a published track.
#[derive(Clone, Debug)]
struct Slot {
    received: Received,
    cid: String,
}

/// A publication and the m-line it was found on.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) publication: Publication,
    pub(super) section: OfferedSection,
}

/// What an offer means for the tracks of its participant.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// No longer offered.
    pub(super) vanished: Vec<TrackKey>,
    /// Still offered.
    pub(super) kept: Vec<(TrackKey, OfferedSection)>,
    /// To become tracks.
    pub(super) matched: Vec<Match>,
}

/// Announcements waiting for an offer at most.
const MOST_PENDING: usize = 20;

/// A negotiation takes seconds on the worst network; what was announced and never
/// offered must not be mistaken for something else later.
const OFFER_WITHIN: Duration = Duration::from_secs(60);

impl Publishing {
    /// Whether one more track can be announced under `cid`.
    pub(super) fn check(&self, cid: &str) -> Result<(), Refusal> {
        if self.pending.iter().any(|p| p.publication.cid == cid) {
            return Err(Refusal::Queued);
        }
        if self.pending.len() >= MOST_PENDING {
            return Err(Refusal::LimitExceeded);
        }
        Ok(())
    }

    /// Announces a track that was [checked](Self::check). Its m-line may have been
    /// offered before: then there is a match. Otherwise returns until when it waits.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Match, Instant> {
        // Only what names the track, or nothing at all, is taken: an m-line that
        // names another track may be waiting for that one.
        let named = |section: &OfferedSection| {
            Fit::Named.holds(&publication, section)
                || Fit::Encoding.holds(&publication, section)
                || section.cid.is_empty() && Fit::Kind.holds(&publication, section)
        };
        if let Some(index) = self.unannounced.iter().position(named) {
            let section = self.unannounced.remove(index);
            return Ok(Match {
                publication,
                section,
            });
        }
        let until = now + OFFER_WITHIN;
        self.pending.push(Pending { publication, until });
        Err(until)
    }

    /// Compares a new offer with what was announced.
    pub(super) fn offered(&mut self, sections: &[OfferedSection]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut fresh: Vec<OfferedSection> = Vec::new();
        let mut kept: Vec<Slot> = Vec::new();
        let mut before = std::mem::take(&mut self.slots);
        for section in sections {
            let mid = section.mid;
            if kept.iter().any(|slot| slot.received.mid == mid)
                || fresh.iter().any(|other| other.mid == mid)
            {
                continue;
            }
            let known = before.iter().position(|slot| slot.received.mid == mid);
            match known {
                Some(index) if !self.reuses(&before[index], section) => {
                    let slot = before.swap_remove(index);
                    outcome.kept.push((slot.received.track, section.clone()));
                    kept.push(slot);
                }
                Some(_) | None => fresh.push(section.clone()),
            }
        }
        outcome
            .vanished
            .extend(before.iter().map(|slot| slot.received.track));
        self.slots = kept;
        outcome.matched = self.match_all(&mut fresh);
        self.unannounced = fresh;
        outcome
    }

    /// Whether a known m-line now carries another track, one that was announced.
    fn reuses(&self, slot: &Slot, section: &OfferedSection) -> bool {
        slot.cid != section.cid
            && self
                .pending
                .iter()
                .any(|pending| Fit::Named.holds(&pending.publication, section))
    }

    /// Takes every pair out of `pending` and `fresh`, the surest first.
    fn match_all(&mut self, fresh: &mut Vec<OfferedSection>) -> Vec<Match> {
        let mut matched = Vec::new();
        for fit in [Fit::Named, Fit::Encoding, Fit::Kind] {
            fresh.retain(|section| {
                let found = self
                    .pending
                    .iter()
                    .position(|pending| fit.holds(&pending.publication, section));
                let Some(index) = found else { return true };
                matched.push(Match {
                    publication: self.pending.remove(index).publication,
                    section: section.clone(),
                });
                false
            });
        }
        matched
    }

    /// A match became a track.
    pub(super) fn started(&mut self, received: Received, cid: String) {
        self.slots.push(Slot { received, cid });
    }

    /// The announced track `id`, to be changed.
    pub(super) fn pending_mut(&mut self, id: TrackId) -> Option<&mut TrackInfo> {
        self.pending
            .iter_mut()
            .map(|pending| &mut pending.publication.track)
            .find(|track| track.id == id)
    }

    /// What was announced and not found in an offer yet, with the client's ids.
    pub(super) fn announced(&self) -> impl Iterator<Item = (&str, &TrackInfo)> {
        let pending = self.pending.iter().map(|pending| &pending.publication);
        pending.map(|publication| (publication.cid.as_str(), &publication.track))
    }

    /// The m-lines with tracks.
    pub(super) fn received(&self) -> Vec<Received> {
        self.slots.iter().map(|slot| slot.received).collect()
    }

    /// The published tracks.
    pub(super) fn tracks(&self) -> Vec<TrackKey> {
        let offered = self.slots.iter().map(|slot| slot.received.track);
        offered.chain(self.linked.iter().copied()).collect()
    }

    /// Another room calls the tracks so: pairs of before and after. All at once, as keys
    /// of two rooms may be the same numbers.
    pub(super) fn rename(&mut self, names: &[(TrackKey, TrackKey)]) {
        let slots = self.slots.iter_mut().map(|slot| &mut slot.received.track);
        for track in slots.chain(&mut self.linked) {
            if let Some((_, after)) = names.iter().find(|(before, _)| before == track) {
                *track = *after;
            }
        }
    }

    /// A track came over a link.
    pub(super) fn linked(&mut self, track: TrackKey) {
        self.linked.push(track);
    }

    /// Takes out what was announced, is not offered yet, and is `unwanted`.
    pub(super) fn retract(&mut self, unwanted: impl Fn(&TrackInfo) -> bool) -> Vec<TrackId> {
        let taken = self
            .pending
            .extract_if(.., |pending| unwanted(&pending.publication.track));
        taken.filter_map(|pending| pending.shown()).collect()
    }

    /// A track ended before its m-line did: the m-line is free for another one.
    pub(super) fn stopped(&mut self, track: TrackKey) {
        self.slots.retain(|slot| slot.received.track != track);
        self.linked.retain(|linked| *linked != track);
    }

    /// Takes out what was announced and never offered.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<TrackId> {
        let lapsed = |pending: &Pending| pending.until <= now;
        let tracks = self
            .pending
            .iter()
            .filter(|pending| lapsed(pending))
            .filter_map(Pending::shown)
            .collect();
        self.pending.retain(|pending| !lapsed(pending));
        tracks
    }

    /// When to [`Self::give_up`] next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.until).min()
    }
}

/// What makes an m-line the one of a publication.
#[derive(Clone, Copy, Debug)]
enum Fit {
    /// It carries the announced client id.
    Named,
    /// It carries the client id announced for one encoding.
    Encoding,
    /// It is of the same kind: some clients put other ids into their offers.
    Kind,
}

impl Fit {
    fn holds(self, publication: &Publication, section: &OfferedSection) -> bool {
        if publication.track.kind != section.kind || section.codecs.is_empty() {
            return false;
        }
        let names = |cid: &str| !cid.is_empty() && section.cid == cid;
        match self {
            Self::Named => names(&publication.cid),
            Self::Encoding => publication
                .track
                .codecs
                .iter()
                .any(|encoding| names(&encoding.cid)),
            Self::Kind => true,
        }
    }
}

/// The codec to be used of those offered, where it is not the client's favourite
/// anyway: the one announced. RED is taken unless it was declined: it costs little and
/// survives loss.
fn preferred(track: &TrackInfo, offered: &[Codec]) -> Option<Codec> {
    let announced = track.codecs.first().and_then(|encoding| encoding.codec);
    let wished = match track.kind {
        MediaKind::Audio if track.disable_red => Some(Codec::Opus),
        MediaKind::Audio => [Codec::Red, Codec::Opus]
            .into_iter()
            .find(|codec| offered.contains(codec)),
        MediaKind::Video => announced,
    };
    wished.filter(|codec| offered.contains(codec))
}

impl Match {
    /// The codec the answer has to put first.
    pub(super) fn preferred(&self) -> Option<Codec> {
        preferred(&self.publication.track, &self.section.codecs)
    }

    /// The codec that will be used.
    pub(super) fn codec(&self) -> Option<Codec> {
        self.preferred()
            .or_else(|| self.section.codecs.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{publication, section, start};

    /// Announced ids and kinds, offered m-lines with ids and kinds, and which
    /// publication ends up on which m-line.
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);

    #[test]
    fn an_m_line_finds_its_publication() {
        let cases: [Case<'_>; 8] = [
            (&["a:mic"], &["0:a:mic"], &["mic@0"], "by its id"),
            (
                &["a:mic", "v:cam"],
                &["0:v:cam", "1:a:mic"],
                &["cam@0", "mic@1"],
                "whatever the order",
            ),
            (&["a:mic"], &["0:a:other"], &["mic@0"], "by its kind"),
            (&["a:mic"], &["0:a:"], &["mic@0"], "without an id"),
            (&["a:mic"], &["0:v:mic"], &[], "never of another kind"),
            (
                &["v:cam", "v:screen"],
                &["0:v:odd", "1:v:cam"],
                &["cam@1", "screen@0"],
                "the surest match first",
            ),
            (
                &["v:cam", "v:screen"],
                &["0:v:x", "1:v:y"],
                &["cam@0", "screen@1"],
                "the oldest first",
            ),
            (
                &["a:mic"],
                &["0:a:mic", "0:a:mic"],
                &["mic@0"],
                "an m-line counts once",
            ),
        ];
        for (announced, offered, expected, what) in cases {
            let mut publishing = Publishing::default();
            for text in announced {
                publishing.announce(start(), publication(text)).unwrap_err();
            }
            let sections: Vec<_> = offered.iter().map(|text| section(text)).collect();
            let outcome = publishing.offered(&sections);
            let matched: Vec<String> = outcome
                .matched
                .iter()
                .map(|found| format!("{}@{}", found.publication.cid, found.section.mid))
                .collect();
            assert_eq!(matched, expected, "{what}");
        }
    }

    #[test]
    fn an_m_line_offered_first_waits_for_its_announcement_and_no_other() {
        let mut publishing = Publishing::default();
        publishing.offered(&[section("0:a:mic"), section("1:a:second")]);
        assert!(
            publishing
                .announce(start(), publication("a:third"))
                .is_err()
        );
        let found = publishing
            .announce(start(), publication("a:second"))
            .unwrap();
        assert_eq!(found.section.mid.to_string(), "1");
    }

    #[test]
    fn at_7_an_m_line_reused_for_another_publication_is_another_track() {
        let mut publishing = Publishing::default();
        publishing
            .announce(start(), publication("v:cam"))
            .unwrap_err();
        let outcome = publishing.offered(&[section("0:v:cam")]);
        let found = &outcome.matched[0];
        let received = Received {
            mid: found.section.mid,
            track: TrackKey(1),
            preferred: None,
            red: false,
        };
        publishing.started(received, found.section.cid.clone());

        let kept = publishing.offered(&[section("0:v:device-changed")]);
        assert_eq!((kept.kept.len(), kept.vanished.len()), (1, 0));

        publishing
            .announce(start(), publication("v:screen"))
            .unwrap_err();
        let reused = publishing.offered(&[section("0:v:screen")]);
        assert_eq!(reused.vanished, [TrackKey(1)]);
        assert_eq!(reused.matched[0].publication.cid, "screen");
    }

    #[test]
    fn announcements_are_bounded_and_lapse() {
        let mut publishing = Publishing::default();
        for number in 0..MOST_PENDING {
            let cid = format!("mic{number}");
            assert_eq!(publishing.check(&cid), Ok(()));
            let announced = publication(&format!("a:{cid}"));
            publishing.announce(start(), announced).unwrap_err();
        }
        assert_eq!(publishing.check("mic3"), Err(Refusal::Queued));
        assert_eq!(publishing.check("more"), Err(Refusal::LimitExceeded));
        assert_eq!(publishing.deadline(), Some(start() + OFFER_WITHIN));
        let lapsed = publishing.give_up(start() + OFFER_WITHIN);
        assert_eq!(lapsed.len(), MOST_PENDING);
        assert_eq!(publishing.check("mic3"), Ok(()));
    }
    #[test]
    fn the_announced_codec_is_used_where_it_is_offered() {
        use Codec::{H264, Opus, Red, Vp8};
        for (kind, announced, declined, offered, expected) in [
            ("v", Some(H264), false, &[Vp8, H264][..], Some(H264)),
            ("v", Some(H264), false, &[Vp8], None),
            ("v", None, false, &[Vp8, H264], None),
            ("a", None, false, &[Opus, Red], Some(Red)),
            ("a", None, false, &[Opus], Some(Opus)),
            ("a", None, true, &[Red, Opus], Some(Opus)),
            ("a", Some(Opus), true, &[Red], None),
        ] {
            let mut track = publication(&format!("{kind}:x")).track;
            track.disable_red = declined;
            track.codecs = vec![crate::SimulcastCodec {
                codec: announced,
                cid: String::new(),
            }];
            assert_eq!(
                preferred(&track, offered),
                expected,
                "{announced:?} of {offered:?}"
            );
        }
    }
}
