//! `[turn]`: the way in for those whose network lets nothing else through.

use serde::{Deserialize, Serialize};

/// Which ways clients are told of.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Over UDP, at the ports of media.
    pub udp: bool,
}
