//! Which shard somebody comes to: one that has the room already, the least loaded of them; and
//! another one only when all of those are full and that one has much more room.

use super::Home;
use crate::config::Spread;

/// A shard as it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// What it works, in thousandths of a core, and what it will by those on their way to it.
    pub(super) share: u32,
    /// Places given out there and not yet dropped, of all rooms.
    pub(super) places: usize,
}

/// Less is noise: what two shards differ by is not worth a thought.
const ROUGHLY: u32 = 100;

/// By so many thousandths of a core a shard has to stand better than those a room has, before the
/// room opens there too: it costs a copy of all media, and shards sway.
const MARGIN: u32 = 250;

/// For a room that is nowhere yet.
pub(super) fn emptiest(shards: &[Standing]) -> usize {
    (0..shards.len())
        .min_by_key(|&shard| (shards[shard].share / ROUGHLY, shards[shard].places))
        .expect("a node has at least one shard")
}

/// For somebody who comes to a room that has these homes, at least one.
pub(super) fn of_room(spread: &Spread, homes: &[Home], shards: &[Standing]) -> usize {
    if !homes.iter().any(Home::is_open) {
        // Whoever is on the way there opens it. Two that open it at once would make it twice.
        return homes[0].shard;
    }
    let crowded = |home: &Home| {
        let most = spread.at_participants as usize;
        most > 0 && home.people >= most
    };
    let busy = |shard: &Standing| {
        let most = u32::from(spread.at_cpu_percent) * 10;
        most > 0 && shard.share >= most
    };
    let full = |home: &Home| crowded(home) || busy(&shards[home.shard]);
    let best = homes
        .iter()
        .min_by_key(|home| (full(home), shards[home.shard].share / ROUGHLY, home.people))
        .expect("a room that is known has a home");
    if !full(best) {
        return best.shard;
    }
    let others = (0..shards.len()).filter(|shard| homes.iter().all(|home| home.shard != *shard));
    let other = others.min_by_key(|&shard| (shards[shard].share / ROUGHLY, shards[shard].places));
    let better = |other: &usize| {
        let (there, here) = (&shards[*other], &shards[best.shard]);
        !busy(there) && (crowded(best) || there.share + MARGIN <= here.share)
    };
    other.filter(better).unwrap_or(best.shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(shard: usize, people: usize) -> Home {
        Home {
            shard,
            places: people + 1,
            people,
            rooms: 1,
        }
    }

    fn standing(shares: &[u32]) -> Vec<Standing> {
        let standing = |share: &u32| Standing {
            share: *share,
            places: 0,
        };
        shares.iter().map(standing).collect()
    }

    #[test]
    fn a_room_goes_on_on_another_shard_only_where_that_is_much_better() {
        let spread = Spread {
            at_cpu_percent: 60,
            at_participants: 0,
        };
        for (homes, shares, expected, why) in [
            (vec![home(0, 900)], [590, 0], 0, "not full"),
            (vec![home(0, 2)], [600, 0], 1, "full, and the other is idle"),
            (vec![home(0, 2)], [600, 350], 1, "just better enough"),
            (vec![home(0, 2)], [600, 360], 0, "hardly better"),
            (vec![home(0, 2)], [990, 600], 0, "the other is full, too"),
            (
                vec![home(0, 9), home(1, 5)],
                [400, 410],
                1,
                "roughly equal: fewer people",
            ),
            (vec![home(0, 9), home(1, 5)], [300, 410], 0, "less to do"),
            (vec![home(0, 9), home(1, 5)], [900, 800], 1, "both are full"),
        ] {
            let chosen = of_room(&spread, &homes, &standing(&shares));
            assert_eq!(chosen, expected, "{why}");
        }
    }

    #[test]
    fn a_room_goes_on_elsewhere_when_it_has_so_many_people_as_the_operator_wants() {
        let spread = Spread {
            at_cpu_percent: 0,
            at_participants: 2,
        };
        for (homes, expected) in [
            (vec![home(0, 1)], 0),
            (vec![home(0, 2)], 1),
            (vec![home(0, 2), home(1, 1)], 1),
            (vec![home(0, 1), home(1, 2)], 0),
            (vec![home(0, 2), home(1, 2)], 2),
            (vec![home(0, 3), home(1, 2), home(2, 2)], 1),
        ] {
            let chosen = of_room(&spread, &homes, &standing(&[990, 990, 990]));
            assert_eq!(chosen, expected, "{homes:?}");
        }
    }

    #[test]
    fn nothing_spreads_where_that_is_switched_off() {
        let never = Spread {
            at_cpu_percent: 0,
            at_participants: 0,
        };
        let chosen = of_room(&never, &[home(0, 5_000)], &standing(&[1_000, 0]));
        assert_eq!(chosen, 0);
    }

    #[test]
    fn while_a_room_is_being_opened_everybody_goes_there() {
        let spread = Spread {
            at_cpu_percent: 60,
            at_participants: 1,
        };
        let opening = Home {
            rooms: 0,
            ..home(0, 7)
        };
        assert_eq!(of_room(&spread, &[opening], &standing(&[900, 0])), 0);
    }
}
