//! Picks what one subscriber gets of a track: the [layer](simulcast) and the
//! [frame rate](temporal), or both out of one [stream](scalable) that has all of them. Numbering what was picked is left to
//! [`rewrite`](crate::rewrite).

mod layer_set;
mod scalable;
mod simulcast;
mod temporal;

pub use layer_set::LayerSet;
pub(crate) use scalable::{Part, Scalable};
pub(crate) use simulcast::{Decision, Entry, Simulcast};
pub(crate) use temporal::Temporal;
