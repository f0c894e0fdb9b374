//! Why packets were left out, and how often.

/// Why a packet was left out; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DropReason {
    /// Of no layer the track was announced with.
    UnknownLayer,
    /// Its number is far from all others, and the next one did not confirm it.
    Stray,
    /// It came before.
    Duplicate,
    /// Longer than any network carries.
    Oversized,
    /// Its payload contradicts itself.
    Malformed,
    /// The publisher has muted the track.
    Muted,
    /// The subscriber wants nothing now.
    Paused,
    /// On the wished layer, but a decoder cannot start here.
    AwaitKeyframe,
    /// On a layer this subscriber is not watching.
    OtherLayer,
    /// More frames a second than wished.
    FrameRate,
    /// Others are louder than this voice.
    Quieter,
    /// Nothing but padding.
    Padding,
    /// Too late: no number was left open for it.
    Late,
    /// The subscriber does not speak the codec.
    Codec,
    /// Asked for again, but no longer here, or never sent.
    NotCached,
    /// Asked for again too soon, or too much is asked for.
    RepairLimit,
}

impl DropReason {
    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownLayer => "unknown_layer",
            Self::Stray => "stray",
            Self::Duplicate => "duplicate",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Muted => "muted",
            Self::Paused => "paused",
            Self::AwaitKeyframe => "await_keyframe",
            Self::OtherLayer => "other_layer",
            Self::FrameRate => "frame_rate",
            Self::Quieter => "quieter",
            Self::Padding => "padding",
            Self::Late => "late",
            Self::Codec => "codec",
            Self::NotCached => "not_cached",
            Self::RepairLimit => "repair_limit",
        }
    }

    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::UnknownLayer,
        Self::Stray,
        Self::Duplicate,
        Self::Oversized,
        Self::Malformed,
        Self::Muted,
        Self::Paused,
        Self::AwaitKeyframe,
        Self::OtherLayer,
        Self::FrameRate,
        Self::Quieter,
        Self::Padding,
        Self::Late,
        Self::Codec,
        Self::NotCached,
        Self::RepairLimit,
    ];
}

/// How many packets were left out, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// How many for `reason`.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Both together.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_count() {
        let mut counts = DropCounts::default();
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            counts.add(reason);
            assert_eq!(counts.of(reason), 1);
        }
    }
}
