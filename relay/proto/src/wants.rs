//! Who wants which layer of a track that comes from elsewhere: however many do, it crosses a link
//! once. The first wish asks for it, the last to end gives it up after a while, and wishes for a
//! keyframe are merged.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use media::Layer;

use crate::routes::{LinkId, TrackKey};

/// One layer of one track.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LayerKey {
    /// The track.
    pub track: TrackKey,
    /// Its layer; of sound the lowest.
    pub layer: Layer,
}

/// Who has a wish.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Wanter {
    /// Subscribers of the room on this node.
    Here,
    /// The neighbour over a link.
    Link(LinkId),
}

/// What to tell the node a track comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Send it.
    Begin(LayerKey),
    /// Send it no more.
    End(LayerKey),
    /// A picture that stands alone is needed.
    Keyframe(LayerKey),
}

/// All wishes for what comes from elsewhere.
#[derive(Debug, Default)]
pub struct Wants {
    layers: HashMap<LayerKey, Want>,
}

#[derive(Debug, Default)]
struct Want {
    wanters: BTreeSet<Wanter>,
    /// Nobody wants it; then it ends.
    ends_at: Option<Instant>,
    keyframe: KeyframeWish,
}

#[derive(Debug, Default)]
struct KeyframeWish {
    wanted: bool,
    asked_at: Option<Instant>,
}

impl Wants {
    /// Viewers turn pages to and fro.
    const LINGER: Duration = Duration::from_secs(2);
    /// Requests for keyframes follow each other no faster.
    const KEYFRAME_FLOOR: Duration = Duration::from_millis(200);
    /// A keyframe takes so much longer than a round trip: it is long itself.
    const KEYFRAME_TAKES: Duration = Duration::from_millis(300);

    /// `wanter` wants the layer from now on.
    pub fn begin(&mut self, wanter: Wanter, key: LayerKey) -> Option<Wish> {
        let is_new = !self.layers.contains_key(&key);
        let want = self.layers.entry(key.clone()).or_default();
        want.wanters.insert(wanter);
        want.ends_at = None;
        is_new.then_some(Wish::Begin(key))
    }

    /// `wanter` wants it no more.
    pub fn end(&mut self, now: Instant, wanter: Wanter, key: &LayerKey) {
        let Some(want) = self.layers.get_mut(key) else {
            return;
        };
        if want.wanters.remove(&wanter) && want.wanters.is_empty() {
            want.ends_at = Some(now + Self::LINGER);
        }
    }

    /// A link is down: it wants nothing any more.
    pub fn forget(&mut self, now: Instant, link: LinkId) {
        for want in self.layers.values_mut() {
            if want.wanters.remove(&Wanter::Link(link)) && want.wanters.is_empty() {
                want.ends_at = Some(now + Self::LINGER);
            }
        }
    }

    /// The track is gone: all wishes for it end without a word.
    pub fn drop_track(&mut self, track: &TrackKey) {
        self.layers.retain(|key, _| key.track != *track);
    }

    /// The layers of a track that are wanted: to be asked for anew where it comes another way.
    pub fn of_track(&self, track: &TrackKey) -> Vec<LayerKey> {
        let wanted = self.layers.keys().filter(|key| key.track == *track);
        let mut keys: Vec<_> = wanted.cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Who is to get what comes of the layer.
    pub fn wanters(&self, key: &LayerKey) -> impl Iterator<Item = Wanter> {
        self.layers
            .get(key)
            .into_iter()
            .flat_map(|want| want.wanters.iter().copied())
    }

    /// Somebody cannot go on without a keyframe.
    pub fn want_keyframe(&mut self, key: &LayerKey) {
        if let Some(want) = self.layers.get_mut(key) {
            want.keyframe.wanted = true;
        }
    }

    /// A keyframe began.
    pub fn keyframe_came(&mut self, key: &LayerKey) {
        if let Some(want) = self.layers.get_mut(key) {
            want.keyframe = KeyframeWish::default();
        }
    }

    /// What is to be told now. `round_trip` is that to where keyframes are asked for.
    pub fn poll(&mut self, now: Instant, round_trip: Duration) -> Vec<Wish> {
        let mut wishes = Vec::new();
        self.layers.retain(|key, want| {
            if want.ends_at.is_some_and(|at| at <= now) {
                wishes.push(Wish::End(key.clone()));
                return false;
            }
            if want.keyframe.poll(now, round_trip) {
                wishes.push(Wish::Keyframe(key.clone()));
            }
            true
        });
        wishes.sort_unstable_by(|one, other| one.key().cmp(other.key()));
        wishes
    }

    /// When to [`poll`](Self::poll) again, at the latest.
    pub fn deadline(&self, now: Instant, round_trip: Duration) -> Option<Instant> {
        let at = |want: &Want| [want.ends_at, want.keyframe.due_at(now, round_trip)];
        self.layers.values().flat_map(at).flatten().min()
    }
}

impl Wish {
    /// What it is about.
    pub fn key(&self) -> &LayerKey {
        match self {
            Self::Begin(key) | Self::End(key) | Self::Keyframe(key) => key,
        }
    }
}

impl KeyframeWish {
    fn poll(&mut self, now: Instant, round_trip: Duration) -> bool {
        if self.due_at(now, round_trip).is_none_or(|at| at > now) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    fn due_at(&self, now: Instant, round_trip: Duration) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        let again = (round_trip + Wants::KEYFRAME_TAKES).max(Wants::KEYFRAME_FLOOR);
        Some(self.asked_at.map_or(now, |at| at + again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    const FAR: Wanter = Wanter::Link(LinkId(1));
    const ROUND_TRIP: Duration = ms(40);

    #[test]
    fn a_layer_is_asked_for_once_and_given_up_after_a_while() {
        let mut wants = Wants::default();
        assert_eq!(wants.begin(Wanter::Here, key()), Some(Wish::Begin(key())));
        assert_eq!(wants.begin(FAR, key()), None);
        wants.end(start(), Wanter::Here, &key());
        wants.end(start(), FAR, &key());
        assert_eq!(
            wants.deadline(start(), ROUND_TRIP),
            Some(start() + ms(2_000))
        );
        assert_eq!(wants.poll(start() + ms(1_999), ROUND_TRIP), []);
        assert_eq!(wants.begin(FAR, key()), None, "it still comes");
        assert_eq!(wants.poll(start() + ms(9_000), ROUND_TRIP), []);
        wants.forget(start() + ms(9_000), LinkId(1));
        assert_eq!(
            wants.poll(start() + ms(11_000), ROUND_TRIP),
            [Wish::End(key())]
        );
        assert_eq!(wants.begin(FAR, key()), Some(Wish::Begin(key())));
    }

    #[test]
    fn wishes_for_a_keyframe_are_merged_and_repeated_until_it_comes() {
        let mut wants = Wants::default();
        wants.begin(Wanter::Here, key());
        let mut asks = |at, wish: bool, came: bool| {
            if wish {
                wants.want_keyframe(&key());
            }
            if came {
                wants.keyframe_came(&key());
            }
            !wants.poll(start() + ms(at), ROUND_TRIP).is_empty()
        };
        assert!(asks(0, true, false));
        assert!(!asks(1, true, false));
        assert!(!asks(339, true, false));
        assert!(asks(340, false, false), "it did not come");
        assert!(!asks(700, false, true));
        assert!(asks(701, true, false), "another is needed");
    }

    #[test]
    fn of_a_track_that_is_gone_nothing_is_wanted() {
        let mut wants = Wants::default();
        wants.begin(FAR, key());
        assert_eq!(wants.of_track(&key().track), [key()]);
        wants.drop_track(&key().track);
        assert_eq!(wants.wanters(&key()).count(), 0);
        assert_eq!(wants.poll(start() + ms(9_000), ROUND_TRIP), []);
    }

    fn key() -> LayerKey {
        LayerKey {
            track: TrackKey {
                room: "maths".into(),
                track: "TR_a".into(),
            },
            layer: Layer::HIGH,
        }
    }
}
