//! Changes to links as people write them: `delay=200ms`, `down.rate=5mbit`, `ada.blackhole=on`,
//! `ada.network=3g`, `ada.rebind=30s`. Without a name it is meant for every link, without a direction for both.

use std::time::Duration;

use serde::Serialize;

use super::{
    emulator::conditions::{ConditionError, Conditions, duration},
    network::Network,
};

/// Both directions of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Both {
    /// Towards the client.
    pub down: Conditions,
    /// From the client.
    pub up: Conditions,
    /// How often the NAT before the client forgets its flows; none: never.
    pub rebind: Option<Duration>,
}

/// A direction, seen from the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Towards the client.
    Down,
    /// From the client.
    Up,
}

impl Way {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// Whose link; none: everybody's.
    pub whose: Option<String>,
    what: What,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum What {
    /// Everything as on this network, both ways.
    Network(&'static str),
    /// The NAT forgets so often.
    Rebind(Option<Duration>),
    One {
        way: Option<Way>,
        key: String,
        value: String,
    },
}

/// Why a wish can't be read.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum WishError {
    /// It has no value.
    #[error("{0:?} is no change; a change is written like down.rate=5mbit or ada.blackhole=on")]
    Form(String),
    /// No such network.
    #[error("there is no network {0:?}; there are {names}", names = names())]
    Network(String),
    /// The condition itself.
    #[error(transparent)]
    Condition(#[from] ConditionError),
}

fn names() -> String {
    let names: Vec<_> = Network::all().iter().map(|network| network.name).collect();
    names.join(", ")
}

impl Wish {
    /// Reads one, and whether it makes sense.
    pub fn read(text: &str) -> Result<Self, WishError> {
        let form = || WishError::Form(text.to_owned());
        let (path, value) = text.split_once('=').ok_or_else(form)?;
        let mut words: Vec<_> = path.split('.').collect();
        let key = words.pop().ok_or_else(form)?;
        let way = match words.last() {
            Some(&"down") => Some(Way::Down),
            Some(&"up") => Some(Way::Up),
            Some(_) | None => None,
        };
        words.truncate(words.len() - usize::from(way.is_some()));
        let whose = match words.as_slice() {
            [] => None,
            [name] if !name.is_empty() => Some((*name).to_owned()),
            [..] => return Err(form()),
        };
        let what = if key == "network" && way.is_none() {
            let network = Network::named(value);
            What::Network(
                network
                    .ok_or_else(|| WishError::Network(value.to_owned()))?
                    .name,
            )
        } else if key == REBIND && way.is_none() {
            What::Rebind(rebind(value)?)
        } else {
            Conditions::default().set(key, value)?;
            What::One {
                way,
                key: key.to_owned(),
                value: value.to_owned(),
            }
        };
        Ok(Self { whose, what })
    }

    /// Whether it is meant for this link.
    pub fn is_for(&self, name: &str) -> bool {
        self.whose.as_deref().is_none_or(|whose| whose == name)
    }

    /// Changes a link.
    pub fn apply(&self, both: &mut Both) -> Result<(), WishError> {
        match &self.what {
            What::Network(name) => {
                let network =
                    Network::named(name).ok_or_else(|| WishError::Network((*name).to_owned()))?;
                *both = Both {
                    down: network.down(),
                    up: network.up(),
                    rebind: None,
                };
            }
            What::Rebind(every) => both.rebind = *every,
            What::One { way, key, value } => {
                if *way != Some(Way::Up) {
                    both.down.set(key, value)?;
                }
                if *way != Some(Way::Down) {
                    both.up.set(key, value)?;
                }
            }
        }
        Ok(())
    }
}

/// How often the NAT forgets, as it is asked for.
pub const REBIND: &str = "rebind";
/// A NAT that forgets more often lets nothing through.
const MOST_OFTEN: Duration = Duration::from_millis(100);

fn rebind(value: &str) -> Result<Option<Duration>, ConditionError> {
    if value == "none" {
        return Ok(None);
    }
    let every = duration(value).filter(|every| *every >= MOST_OFTEN);
    every.map(Some).ok_or(ConditionError::Value {
        key: REBIND,
        value: value.to_owned(),
        like: "30s (100ms at least) or none",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reaches_the_links_and_directions_it_names() {
        // (wish, link, its down, its up)
        for (wish, link, down, up) in [
            ("delay=9ms", "ada", "delay=9ms", "delay=9ms"),
            ("down.delay=9ms", "ada", "delay=9ms", "a wire"),
            ("up.delay=9ms", "ada", "a wire", "delay=9ms"),
            ("ada.delay=9ms", "ada", "delay=9ms", "delay=9ms"),
            ("ada.up.delay=9ms", "ada", "a wire", "delay=9ms"),
            ("ada.delay=9ms", "bayo", "a wire", "a wire"),
            (
                "ada.network=hspa",
                "ada",
                "rate=20mbit queue=300ms delay=75ms loss=0.5%",
                "rate=10mbit queue=300ms delay=75ms loss=0.5%",
            ),
        ] {
            let wish = Wish::read(wish).unwrap();
            let mut both = Both::default();
            if wish.is_for(link) {
                wish.apply(&mut both).unwrap();
            }
            assert_eq!(
                (both.down.to_string(), both.up.to_string()),
                (down.to_owned(), up.to_owned()),
                "{wish:?}"
            );
        }
    }

    #[test]
    fn a_nat_forgets_until_another_network_is_asked_for() {
        let mut both = Both::default();
        for (wish, expected) in [
            ("rebind=30s", Some(Duration::from_secs(30))),
            ("delay=9ms", Some(Duration::from_secs(30))),
            ("rebind=none", None),
            ("rebind=1s", Some(Duration::from_secs(1))),
            ("network=3g", None),
        ] {
            Wish::read(wish).unwrap().apply(&mut both).unwrap();
            assert_eq!(both.rebind, expected, "{wish}");
        }
    }

    #[test]
    fn what_is_no_wish_is_refused_with_what_would_be() {
        for (wish, expected) in [
            ("delay", "written like down.rate=5mbit"),
            (".delay=9ms", "written like"),
            ("a.b.delay=9ms", "written like"),
            ("network=5g", "edge, rural-edge, 3g"),
            ("down.network=3g", "there is no \"network\""),
            ("rebind=1ms", "rebind is \"1ms\"; it is written like 30s"),
            ("down.rebind=30s", "there is no \"rebind\""),
            ("delay=soon", "delay is \"soon\"; it is written like 200ms"),
        ] {
            let error = Wish::read(wish).unwrap_err().to_string();
            assert!(error.contains(expected), "{wish}: {error}");
        }
    }
}
