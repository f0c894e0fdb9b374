//! Networks by name, as people in Nigeria meet them.
//!
//! Delay and jitter of such tables are those of the round trip; each direction has half.

use super::emulator::conditions::Conditions;

/// A network: what it is called, and both directions.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// How it is asked for.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    down: &'static [(&'static str, &'static str)],
    up: &'static [(&'static str, &'static str)],
}

/// Old cells hold seconds of traffic rather than lose any.
const NETWORKS: [Network; 6] = [
    Network {
        name: "gprs",
        about: "80/20 kbit/s down/up, 650 ms round trip, 1 % loss",
        down: &[
            ("rate", "80kbit"),
            ("queue", "2s"),
            ("delay", "325ms"),
            ("loss", "1%"),
        ],
        up: &[
            ("rate", "20kbit"),
            ("queue", "2s"),
            ("delay", "325ms"),
            ("loss", "1%"),
        ],
    },
    Network {
        name: "edge",
        about: "200/260 kbit/s, 650 +- 100 ms, 1 %",
        down: &[
            ("rate", "200kbit"),
            ("queue", "1s"),
            ("delay", "325ms"),
            ("jitter", "50ms"),
            ("loss", "1%"),
        ],
        up: &[
            ("rate", "260kbit"),
            ("queue", "1s"),
            ("delay", "325ms"),
            ("jitter", "50ms"),
            ("loss", "1%"),
        ],
    },
    Network {
        name: "rural-edge",
        about: "200/260 kbit/s, 650 +- 100 ms, 5 %",
        down: &[
            ("rate", "200kbit"),
            ("queue", "1s"),
            ("delay", "325ms"),
            ("jitter", "50ms"),
            ("loss", "5%"),
        ],
        up: &[
            ("rate", "260kbit"),
            ("queue", "1s"),
            ("delay", "325ms"),
            ("jitter", "50ms"),
            ("loss", "5%"),
        ],
    },
    Network {
        name: "3g",
        about: "1.2 Mbit/s each way, 250 +- 50 ms, 0.5 %",
        down: &[
            ("rate", "1.2mbit"),
            ("queue", "500ms"),
            ("delay", "125ms"),
            ("jitter", "25ms"),
            ("loss", "0.5%"),
        ],
        up: &[
            ("rate", "1.2mbit"),
            ("queue", "500ms"),
            ("delay", "125ms"),
            ("jitter", "25ms"),
            ("loss", "0.5%"),
        ],
    },
    Network {
        name: "hspa",
        about: "20/10 Mbit/s, 150 ms, 0.5 %",
        down: &[("rate", "20mbit"), ("delay", "75ms"), ("loss", "0.5%")],
        up: &[("rate", "10mbit"), ("delay", "75ms"), ("loss", "0.5%")],
    },
    Network {
        name: "4g",
        about: "100/50 Mbit/s, 45 ms, 0.2 %",
        down: &[("rate", "100mbit"), ("delay", "22.5ms"), ("loss", "0.2%")],
        up: &[("rate", "50mbit"), ("delay", "22.5ms"), ("loss", "0.2%")],
    },
];

impl Network {
    /// All there are, the slowest first.
    pub fn all() -> &'static [Self] {
        &NETWORKS
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        NETWORKS.iter().find(|network| network.name == name)
    }

    /// Towards the client.
    pub fn down(&self) -> Conditions {
        read(self.down)
    }

    /// From the client.
    pub fn up(&self) -> Conditions {
        read(self.up)
    }
}

fn read(words: &[(&str, &str)]) -> Conditions {
    let mut conditions = Conditions::default();
    for (key, value) in words {
        conditions
            .set(key, value)
            .expect("the table is tried by a test");
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_can_be_read() {
        for network in Network::all() {
            assert!(network.down().rate.is_some(), "{}", network.name);
            assert!(network.up().rate.is_some(), "{}", network.name);
        }
    }
}
