//! Nodes of the relay as processes of their own, on a network of the [lab](crate::lab) or on this
//! machine's loopback: what they carry, and what became of it.
//!
//! A [`Stage`](stage::Stage) starts them; each is told what to do by [`order`]s. What a [`trial`]
//! finds is held against a goal in a [`Row`](row::Row).

pub mod fabric;
pub mod figures;
pub mod node;
pub mod order;
pub mod packet;
pub mod publisher;
pub mod rival;
pub mod row;
pub mod scenarios;
pub mod sources;
pub mod stage;
pub mod tally;
pub mod trial;
