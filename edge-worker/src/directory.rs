//! Which shards a room lives on. A room keeps a shard while it is open there or anybody is on the
//! way to it; new rooms go where least is to do, and a big one goes on on a second shard.
//!
//! Who comes where is decided in [`choosing`]; that the instances of a room are one room is the
//! cascade's.

mod choosing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Spread;
use crate::shard::{Measured, ShardInbox};
use choosing::Standing;

/// Room names to shards.
#[derive(Clone)]
pub(crate) struct Directory {
    shards: Arc<[ShardInbox]>,
    spread: Spread,
    // Joins come from many tasks and are counted down from shards: there is no one
    // owner, and nobody holds it longer than a look-up.
    state: Arc<Mutex<State>>,
}

/// How far two rooms are apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Distance {
    /// Connections can be carried from one to the other.
    SameShard,
    /// They have to be made anew.
    OtherShard,
}

/// Whether a room is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Open {
    /// On a shard at least.
    Somewhere,
    /// On none, though somebody may be on the way to one.
    Nowhere,
}

/// What a place is held for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Somebody is there, or on the way.
    Person,
    /// The room is open there.
    Room,
    /// Something is asked of the room.
    Call,
}

/// A shard of a room, held as long as the [`Place`] lives.
#[derive(Debug)]
pub(crate) struct Found {
    /// To ask it.
    pub(crate) shard: ShardInbox,
    /// Keeps it.
    pub(crate) place: Place,
    /// One that has the room open, this one if it can be; none if this is the room's only shard.
    pub(crate) open: Option<ShardInbox>,
}

#[derive(Default)]
struct State {
    rooms: HashMap<Arc<str>, Vec<Home>>,
    /// By shard.
    given: Vec<Given>,
}

/// A room on one shard.
#[derive(Clone, Copy, Debug)]
struct Home {
    shard: usize,
    /// Places given out and not yet dropped.
    places: usize,
    /// Those for persons.
    people: usize,
    /// Those for the room itself: at most one, but while it closes and opens again.
    rooms: usize,
}

/// Persons who were sent to a shard and may not have been at work in what it measured last: it
/// measures while they come, and each needs a moment to connect.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    measure: u32,
    since: u32,
    before: u32,
}

/// What somebody who comes is taken to need, in thousandths of a core: a handshake, and then some
/// pictures. Who watches one presenter needs less, who sees a whole meeting more; the measure of
/// the next seconds puts it right.
const PERSON_TAKES: u32 = 2;

impl Home {
    fn new(shard: usize) -> Self {
        Self {
            shard,
            places: 0,
            people: 0,
            rooms: 0,
        }
    }

    fn is_open(&self) -> bool {
        self.rooms > 0
    }

    fn count(&mut self, purpose: Purpose) -> &mut Self {
        self.places += 1;
        match purpose {
            Purpose::Person => self.people += 1,
            Purpose::Room => self.rooms += 1,
            Purpose::Call => {}
        }
        self
    }

    fn discount(&mut self, purpose: Purpose) {
        self.places -= 1;
        match purpose {
            Purpose::Person => self.people -= 1,
            Purpose::Room => self.rooms -= 1,
            Purpose::Call => {}
        }
    }
}

impl Given {
    /// What a shard works that measured this.
    fn share(&mut self, measured: Measured) -> u32 {
        if measured.number != self.measure {
            let next = measured.number == self.measure.wrapping_add(1);
            self.before = if next { self.since } else { 0 };
            self.since = 0;
            self.measure = measured.number;
        }
        measured.share + (self.since + self.before) * PERSON_TAKES
    }
}

impl Directory {
    /// Over `shards`, which are told of rooms from now on.
    pub(crate) fn new(shards: Vec<ShardInbox>, spread: Spread) -> Self {
        let state = State {
            given: vec![Given::default(); shards.len()],
            ..State::default()
        };
        Self {
            shards: shards.into(),
            spread,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The number of a shard of this node.
    pub(crate) fn number_of(&self, shard: &ShardInbox) -> Option<usize> {
        let mut shards = self.shards.iter();
        shards.position(|known| Arc::ptr_eq(known.load(), shard.load()))
    }

    /// The shard where somebody comes into room `name`.
    pub(crate) fn seat(&self, name: &Arc<str>) -> Found {
        let mut state = self.state();
        let standings = self.standings(&mut state);
        let shard = match state.rooms.get(name) {
            Some(homes) => choosing::of_room(&self.spread, homes, &standings),
            None => choosing::emptiest(&standings),
        };
        state.given[shard].since += 1;
        self.found(&mut state, name, shard, Purpose::Person)
    }

    /// A shard of room `name`; if it has none, that where it would best be opened.
    pub(crate) fn find_or_open(&self, name: &Arc<str>) -> Found {
        let mut state = self.state();
        let shard = match state.shard_of(name) {
            Some(shard) => shard,
            None => choosing::emptiest(&self.standings(&mut state)),
        };
        self.found(&mut state, name, shard, Purpose::Call)
    }

    /// The shard of room `name`; that of room `beside`, if it has to be opened. And whether
    /// both are on one.
    pub(crate) fn place_beside(&self, name: &Arc<str>, beside: &Place) -> (Found, Distance) {
        let mut state = self.state();
        let homes = state.rooms.get(name);
        let near = homes.is_none_or(|homes| homes.iter().any(|home| home.shard == beside.shard));
        let (shard, distance) = match state.shard_of(name) {
            Some(shard) if !near => (shard, Distance::OtherShard),
            Some(_) | None => (beside.shard, Distance::SameShard),
        };
        let found = self.found(&mut state, name, shard, Purpose::Call);
        (found, distance)
    }

    /// A shard of room `name`, if it is open or being opened: it can do what is asked of the room.
    pub(crate) fn find(&self, name: &Arc<str>) -> Option<(ShardInbox, Place)> {
        let mut state = self.state();
        let shard = state.shard_of(name)?;
        let found = self.found(&mut state, name, shard, Purpose::Call);
        Some((found.shard, found.place))
    }

    /// Every shard of room `name`, that of [`find`](Self::find) first.
    pub(crate) fn find_all(&self, name: &Arc<str>) -> Vec<(ShardInbox, Place)> {
        let mut state = self.state();
        let Some(first) = state.shard_of(name) else {
            return Vec::new();
        };
        let homes = state.rooms.get(name).into_iter().flatten();
        let mut shards: Vec<_> = homes.map(|home| home.shard).collect();
        shards.sort_by_key(|shard| *shard != first);
        let found = |shard| {
            let found = self.found(&mut state, name, shard, Purpose::Call);
            (found.shard, found.place)
        };
        shards.into_iter().map(found).collect()
    }

    /// Whether room `name` is open or being opened.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.state().rooms.contains_key(name)
    }

    /// Every shard.
    pub(crate) fn shards(&self) -> &[ShardInbox] {
        &self.shards
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, state: &mut State, name: &Arc<str>, shard: usize, purpose: Purpose) -> Found {
        let open = state.count(name, shard, purpose);
        Found {
            shard: self.shards[shard].clone(),
            place: Place {
                directory: self.clone(),
                name: Arc::clone(name),
                shard,
                purpose,
            },
            open: open.map(|shard| self.shards[shard].clone()),
        }
    }

    fn standings(&self, state: &mut State) -> Vec<Standing> {
        let pairs = self.shards.iter().zip(&mut state.given);
        let standing = |(shard, given): (&ShardInbox, &mut Given)| Standing {
            share: given.share(shard.load().measured()),
            places: 0,
        };
        let mut standings: Vec<_> = pairs.map(standing).collect();
        for home in state.rooms.values().flatten() {
            standings[home.shard].places += home.places;
        }
        standings
    }
}

impl State {
    /// Which one to ask of a room: the first that has it open.
    fn shard_of(&self, name: &str) -> Option<usize> {
        let homes = self.rooms.get(name)?;
        let open = homes.iter().find(|home| home.is_open());
        open.or(homes.first()).map(|home| home.shard)
    }

    /// Counts a place; if the room has other shards too, answers one where it is open.
    fn count(&mut self, name: &Arc<str>, shard: usize, purpose: Purpose) -> Option<usize> {
        let homes = self.rooms.entry(Arc::clone(name)).or_default();
        let open = homes.iter().filter(|home| home.is_open());
        let open = open.min_by_key(|home| home.shard != shard);
        let open = open.map(|home| home.shard);
        match homes.iter_mut().find(|home| home.shard == shard) {
            Some(home) => {
                home.count(purpose);
            }
            None => homes.push(*Home::new(shard).count(purpose)),
        }
        open.filter(|_| homes.len() > 1)
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

/// Keeps a room on a shard until dropped.
pub(crate) struct Place {
    directory: Directory,
    name: Arc<str>,
    shard: usize,
    purpose: Purpose,
}

impl Place {
    /// Another one of the same room on the same shard.
    pub(crate) fn also(&self, purpose: Purpose) -> Self {
        let mut state = self.directory.state();
        state.count(&self.name, self.shard, purpose);
        Self {
            directory: self.directory.clone(),
            name: Arc::clone(&self.name),
            shard: self.shard,
            purpose,
        }
    }

    /// Gives it up; whether the room is still open on any shard.
    pub(crate) fn give_up(self) -> Open {
        let (directory, name) = (self.directory.clone(), Arc::clone(&self.name));
        drop(self);
        let state = directory.state();
        let homes = state.rooms.get(&name).map_or(&[][..], Vec::as_slice);
        if homes.iter().any(Home::is_open) {
            Open::Somewhere
        } else {
            Open::Nowhere
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.directory.state();
        let Some(homes) = state.rooms.get_mut(&self.name) else {
            return;
        };
        if let Some(home) = homes.iter_mut().find(|home| home.shard == self.shard) {
            home.discount(self.purpose);
        }
        homes.retain(|home| home.places > 0);
        if homes.is_empty() {
            state.rooms.remove(&self.name);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Shards {
        directory: Directory,
        // Wakers need them.
        _polls: Vec<mio::Poll>,
    }

    impl Shards {
        fn new(count: usize, at_participants: u32) -> Self {
            let polls: Vec<_> = (0..count).map(|_| mio::Poll::new().unwrap()).collect();
            let inbox = |poll: &mio::Poll| {
                let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
                ShardInbox::new(waker).0
            };
            let spread = Spread {
                at_cpu_percent: 60,
                at_participants,
            };
            Self {
                directory: Directory::new(polls.iter().map(inbox).collect(), spread),
                _polls: polls,
            }
        }

        fn measure(&self, shard: usize, percent: u64) {
            let load = self.directory.shards()[shard].load();
            load.publish(Duration::from_millis(percent * 10), Duration::from_secs(1));
        }

        fn shards_of(&self, name: &str) -> Vec<usize> {
            let state = self.directory.state();
            let homes = state.rooms.get(name).into_iter().flatten();
            homes.map(|home| home.shard).collect()
        }

        /// Somebody who is in.
        fn join(&self, name: &Arc<str>) -> Place {
            self.directory.seat(name).place
        }
    }

    #[test]
    fn a_room_stays_on_its_shard_while_anybody_holds_a_place() {
        let shards = Shards::new(2, 0);
        let (physics, chemistry) = (Arc::from("physics"), Arc::from("chemistry"));

        let first = shards.join(&physics);
        let second = shards.join(&physics);
        assert_eq!(shards.shards_of("physics"), [0]);
        let _other = shards.join(&chemistry);
        let there = shards.shards_of("chemistry");
        assert_eq!(there, [1], "a new room goes where fewer are");

        drop(first);
        assert_eq!(shards.shards_of("physics"), [0]);
        drop(second);
        assert!(shards.shards_of("physics").is_empty());
        assert!(!shards.directory.has("physics"));
    }

    #[test]
    fn a_crowded_room_opens_on_another_shard_like_the_first_and_leaves_it_when_emptied() {
        let shards = Shards::new(2, 2);
        let maths: Arc<str> = Arc::from("maths");
        let directory = &shards.directory;

        let early: Vec<_> = (0..3).map(|_| shards.join(&maths)).collect();
        assert_eq!(shards.shards_of("maths"), [0], "it is not open yet");
        let room = early[0].also(Purpose::Room);
        let late = directory.seat(&maths);
        assert_eq!(shards.shards_of("maths"), [0, 1]);
        assert_eq!(late.place.shard, 1);
        assert!(late.open.is_some(), "to be asked what the room is like");

        let all = directory.find_all(&maths);
        let shard_of = |(_, place): (ShardInbox, Place)| place.shard;
        let all: Vec<_> = all.into_iter().map(shard_of).collect();
        assert_eq!(all, [0, 1]);
        let far_room = late.place.also(Purpose::Room);
        assert_eq!(room.give_up(), Open::Somewhere);
        drop(early);
        assert_eq!(shards.shards_of("maths"), [1]);
        let (_, found) = directory.find(&maths).unwrap();
        assert_eq!(found.shard, 1);
        assert_eq!(far_room.give_up(), Open::Nowhere);
        assert!(directory.has("maths"));
        drop((late, found));
        assert!(!directory.has("maths"));
    }

    #[test]
    fn a_burst_of_joins_does_not_land_on_one_shard_before_the_measure_moves() {
        let shards = Shards::new(2, 0);
        let maths: Arc<str> = Arc::from("maths");
        shards.measure(0, 40);
        shards.measure(1, 0);
        let first = shards.join(&maths);
        assert_eq!(first.shard, 1);
        let _room = first.also(Purpose::Room);
        shards.measure(1, 45);
        shards.measure(0, 5);

        let mut burst: Vec<_> = (0..74).map(|_| shards.join(&maths)).collect();
        assert_eq!(shards.shards_of("maths"), [1], "45 % and 74 on their way");
        burst.extend((0..126).map(|_| shards.join(&maths)));
        assert_eq!(shards.shards_of("maths"), [1, 0]);
        let there = burst.iter().filter(|place| place.shard == 0).count();
        assert!((100..=126).contains(&there), "{there}");

        // What was measured twice since includes them all.
        shards.measure(0, 30);
        shards.measure(0, 30);
        shards.measure(1, 55);
        shards.measure(1, 55);
        let mut state = shards.directory.state();
        let shares = shards.directory.standings(&mut state);
        assert_eq!(
            shares.iter().map(|it| it.share).collect::<Vec<_>>(),
            [300, 550]
        );
    }

    #[test]
    fn a_room_made_for_somebody_who_moves_is_made_beside_the_first() {
        let shards = Shards::new(2, 0);
        let (here, there) = (Arc::from("here"), Arc::from("there"));
        let _busy = shards.join(&Arc::from("other"));
        let place = shards.join(&here);
        assert_eq!(place.shard, 1);
        let (found, distance) = shards.directory.place_beside(&there, &place);
        assert_eq!((found.place.shard, distance), (1, Distance::SameShard));
        let far: Arc<str> = Arc::from("other");
        let (found, distance) = shards.directory.place_beside(&far, &place);
        assert_eq!((found.place.shard, distance), (0, Distance::OtherShard));
    }
}
