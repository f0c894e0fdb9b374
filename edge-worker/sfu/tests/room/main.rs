//! What happens in a room, told as stories: who is told what, and who is sent what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod administering;
mod allowing;
mod assessing;
mod backups;
mod bandwidth;
mod converging;
mod crowd;
mod data;
mod data_tracks;
mod demand;
mod ending;
mod facts;
mod film;
mod joining;
mod life;
mod linking;
mod moving;
mod nodes;
mod profile;
mod publishing;
mod random;
mod resuming;
mod retouching;
mod rights;
mod saving;
mod spanning;
mod speaking;
mod stage;
mod subscribing;
mod voices;
