//! One published track, its subscribers, and the networks between them: a publisher
//! that answers as browsers do, subscribers that check every packet, lossy links with
//! seeded dice, and a clock moved by hand.

mod dice;
mod encoder;
mod ending;
mod keyframes;
mod layered;
mod layers;
mod link;
mod loss;
mod publisher;
mod random;
mod repeating;
mod reports;
mod stage;
mod subscriber;
