//! Some of the layers of a track, in one byte.

use media::Layer;

/// A set of layers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LayerSet(u8);

impl LayerSet {
    /// Adds one.
    pub fn insert(&mut self, layer: Layer) {
        if layer.index() < Layer::COUNT {
            self.0 |= 1 << layer.0;
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, layer: Layer) {
        if layer.index() < Layer::COUNT {
            self.0 &= !(1 << layer.0);
        }
    }

    /// Whether `layer` is one of them.
    pub fn contains(self, layer: Layer) -> bool {
        layer.index() < Layer::COUNT && self.0 & (1 << layer.0) != 0
    }

    /// Low to high.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Layer> {
        Layer::ALL
            .into_iter()
            .filter(move |layer| self.contains(*layer))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The largest picture.
    pub fn highest(self) -> Option<Layer> {
        self.iter().next_back()
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not of `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// All layers up to and with `highest`.
    pub(crate) fn up_to(highest: Layer) -> Self {
        Layer::ALL
            .into_iter()
            .filter(|layer| *layer <= highest)
            .collect()
    }

    /// What to play of the living layers for somebody who wishes `wish`: the best
    /// that is not more, else the smallest; the wish itself if nothing lives yet.
    pub(crate) fn nearest(self, wish: Layer) -> Layer {
        self.iter()
            .rfind(|layer| *layer <= wish)
            .or_else(|| self.iter().next())
            .unwrap_or(wish)
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        let mut set = Self::default();
        layers.into_iter().for_each(|layer| set.insert(layer));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_living_layer_up_to_the_wish_is_played_else_the_smallest() {
        for (living, wish, expected) in [
            (&[0, 1, 2][..], 2, 2),
            (&[0, 1], 2, 1),
            (&[0], 2, 0),
            (&[1, 2], 0, 1),
            (&[2], 1, 2),
            (&[], 1, 1),
        ] {
            let living: LayerSet = living.iter().copied().map(Layer).collect();
            assert_eq!(
                living.nearest(Layer(wish)),
                Layer(expected),
                "{living:?} {wish}"
            );
        }
    }
}
