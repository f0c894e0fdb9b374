//! Picks what one subscriber gets of a track: the [layer](simulcast) and the
//! [frame rate](temporal). Numbering what was picked is left to
//! [`rewrite`](crate::rewrite).

mod layer_set;
mod simulcast;
mod temporal;

pub use layer_set::LayerSet;
pub(crate) use simulcast::{Decision, Entry, Simulcast};
pub(crate) use temporal::Temporal;
