//! Who wants one layer, and what to do about it: however many want it, it crosses a link once. The
//! first wish asks for it, the last to end gives it up after a while, and wishes for a keyframe are
//! merged.

use std::time::{Duration, Instant};

use crate::routes::LinkId;

/// A wish of this node's own, by the number its rooms gave it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Handle(pub u64);

/// Who has a wish.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Wanter {
    /// Subscribers of a room on this node.
    Here(Handle),
    /// The neighbour over a link.
    Link(LinkId),
}

/// What has to be done about a layer now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// Ask for it once more: it was refused.
    Ask,
    /// A picture that stands alone is needed.
    Keyframe,
    /// Nobody wants it any more.
    End,
}

/// All wishes for one layer.
#[derive(Debug, Default)]
pub(crate) struct Want {
    wanters: Vec<Wanter>,
    /// Nobody wants it; then it ends.
    ends_at: Option<Instant>,
    asks_at: Option<Instant>,
    keyframe: KeyframeWish,
}

#[derive(Debug, Default)]
struct KeyframeWish {
    wanted: bool,
    asked_at: Option<Instant>,
}

impl Want {
    /// Viewers turn pages to and fro.
    const LINGER: Duration = Duration::from_secs(2);
    /// What was refused may be there in a moment: news and wishes cross each other.
    const ASK_AGAIN: Duration = Duration::from_millis(500);
    /// Requests for keyframes follow each other no faster.
    const KEYFRAME_AGAIN: Duration = Duration::from_millis(360);

    /// `wanter` wants the layer from now on.
    pub(crate) fn begin(&mut self, wanter: Wanter) {
        if !self.wanters.contains(&wanter) {
            self.wanters.push(wanter);
        }
        self.ends_at = None;
    }

    /// `wanter` wants it no more.
    pub(crate) fn end(&mut self, now: Instant, wanter: Wanter) {
        self.wanters.retain(|other| *other != wanter);
        if self.wanters.is_empty() && self.ends_at.is_none() {
            self.ends_at = Some(now + Self::LINGER);
        }
    }

    /// The track is gone: what neighbours wished is void, this node's own wishes wait for it.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.wanters
            .retain(|wanter| matches!(wanter, Wanter::Here(_)));
        if self.wanters.is_empty() {
            self.ends_at = Some(now);
        }
        self.asks_at = None;
        self.keyframe = KeyframeWish::default();
    }

    /// Who is to get what comes of the layer.
    pub(crate) fn wanters(&self) -> &[Wanter] {
        &self.wanters
    }

    /// It was refused.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.asks_at = Some(now + Self::ASK_AGAIN);
    }

    /// It is asked for: nothing has to be asked again.
    pub(crate) fn asked(&mut self) {
        self.asks_at = None;
    }

    /// Somebody cannot go on without a keyframe.
    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe.wanted = true;
    }

    /// A keyframe began.
    pub(crate) fn keyframe_came(&mut self) {
        self.keyframe = KeyframeWish::default();
    }

    /// What is to be done now, one thing at a time.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Due> {
        if self.ends_at.is_some_and(|at| at <= now) {
            return Some(Due::End);
        }
        if self.asks_at.is_some_and(|at| at <= now) {
            self.asks_at = None;
            return Some(Due::Ask);
        }
        if self.keyframe.due_at(now).is_some_and(|at| at <= now) {
            self.keyframe.asked_at = Some(now);
            return Some(Due::Keyframe);
        }
        None
    }

    /// When to [`poll`](Self::poll) again, at the latest.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        [self.ends_at, self.asks_at, self.keyframe.due_at(now)]
            .into_iter()
            .flatten()
            .min()
    }
}

impl KeyframeWish {
    fn due_at(&self, now: Instant) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        Some(self.asked_at.map_or(now, |at| at + Want::KEYFRAME_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    const HERE: Wanter = Wanter::Here(Handle(9));
    const FAR: Wanter = Wanter::Link(LinkId(1));

    #[test]
    fn a_layer_is_given_up_a_while_after_the_last_wish_ended() {
        let mut want = Want::default();
        for wanter in [HERE, FAR, FAR] {
            want.begin(wanter);
        }
        want.end(start(), HERE);
        assert_eq!(want.deadline(start()), None);
        want.end(start(), FAR);
        assert_eq!(want.deadline(start()), Some(start() + ms(2_000)));
        assert_eq!(want.poll(start() + ms(1_999)), None);
        want.begin(FAR);
        assert_eq!(want.poll(start() + ms(9_000)), None);
        want.end(start() + ms(9_000), FAR);
        assert_eq!(want.poll(start() + ms(11_000)), Some(Due::End));
    }

    #[test]
    fn wishes_for_a_keyframe_are_merged_and_repeated_until_it_comes() {
        let mut want = Want::default();
        want.begin(HERE);
        let mut asks = |at, wish: bool, came: bool| {
            if wish {
                want.want_keyframe();
            }
            if came {
                want.keyframe_came();
            }
            want.poll(start() + ms(at)) == Some(Due::Keyframe)
        };
        assert!(asks(0, true, false));
        assert!(!asks(1, true, false));
        assert!(!asks(359, true, false));
        assert!(asks(360, false, false), "it did not come");
        assert!(!asks(720, false, true));
        assert!(asks(721, true, false), "another is needed");
    }

    #[test]
    fn what_was_refused_is_asked_for_again() {
        let mut want = Want::default();
        want.begin(HERE);
        want.refused(start());
        assert_eq!(want.poll(start() + ms(499)), None);
        assert_eq!(want.poll(start() + ms(500)), Some(Due::Ask));
        assert_eq!(want.poll(start() + ms(5_000)), None);
    }

    #[test]
    fn of_a_track_that_is_gone_only_this_nodes_own_wishes_stay() {
        let mut want = Want::default();
        want.begin(FAR);
        want.begin(HERE);
        want.want_keyframe();
        want.wait(start());
        assert_eq!(want.wanters(), [HERE]);
        assert_eq!(want.poll(start() + ms(9_000)), None);
        want.end(start(), HERE);
        want.wait(start());
        assert_eq!(want.poll(start()), Some(Due::End));
    }
}
