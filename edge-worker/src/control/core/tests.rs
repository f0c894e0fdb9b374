//! The conversation in virtual time, over a network that loses, doubles and delays, with a
//! small model of the rules of the other end.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::*;
use crate::control::wire::Happened;

/// The other end: what it does with a request, by the rules both ends agreed on.
#[derive(Debug, Default)]
struct Convex {
    epoch: u64,
    known: HashMap<String, u64>,
    applied: Vec<Event>,
    /// Commands that nobody has said are done.
    commands: BTreeMap<String, Value>,
    acks: Vec<Ack>,
    desired_hash: String,
    next_sync_ms: u64,
    /// Answers everything like this.
    refusing: Option<Refused>,
    requests: u64,
    /// Events that it cannot read at all: the whole request is refused.
    poison: Option<String>,
}

impl Convex {
    fn answer(&mut self, now_ms: u64, sent_ms: u64, request: Request) -> Answer {
        self.requests += 1;
        let refused = |error: &str| {
            Answer::Refused(Refused {
                error: error.into(),
                message: "do something".into(),
                server_time_ms: Some(now_ms),
                retry_after_ms: None,
            })
        };
        if let Some(refusal) = &self.refusing {
            return Answer::Refused(refusal.clone());
        }
        if now_ms.abs_diff(sent_ms) > 300_000 {
            return refused("clock");
        }
        let desired = |hash: &str| Desired {
            hash: hash.to_owned(),
            ..Desired::default()
        };
        match request {
            Request::Register(register) => {
                self.epoch += 1;
                Answer::Registered(Box::new(Registered {
                    epoch: self.epoch,
                    server_time_ms: now_ms,
                    lease_ms: 20_000,
                    ack_seq: *self.known.entry(register.stream).or_default(),
                    desired: Some(desired(&self.desired_hash)),
                }))
            }
            Request::Sync(sync) => {
                if sync.epoch < self.epoch {
                    return refused("stale_epoch");
                }
                let is_poison = |event: &Event| Some(&event.room) == self.poison.as_ref();
                if sync.events.iter().any(is_poison) {
                    return refused("malformed");
                }
                assert!(sync.events.len() <= MOST_EVENTS);
                assert!(serde_json::to_vec(&sync).unwrap().len() <= 256 * 1024);
                let known = self.known.entry(sync.stream).or_default();
                for (event, seq) in sync.events.into_iter().zip(sync.first_seq..) {
                    if seq == *known + 1 {
                        *known = seq;
                        self.applied.push(event);
                    }
                }
                for ack in sync.acks {
                    if self.commands.remove(&ack.id).is_some() {
                        self.acks.push(ack);
                    }
                }
                let news = sync.desired_hash != self.desired_hash;
                Answer::Synced(Box::new(Synced {
                    ack_seq: *known,
                    server_time_ms: now_ms,
                    next_sync_ms: self.next_sync_ms,
                    commands: self.commands.values().cloned().collect(),
                    desired: news.then(|| desired(&self.desired_hash)),
                }))
            }
        }
    }
}

/// How bad the network is, in percent and milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    lost: u32,
    doubled: u32,
    /// Arrives up to a minute late, long after the node has given it up.
    delayed: u32,
}

/// Something on its way.
#[derive(Debug)]
enum Letter {
    Request {
        number: u64,
        life: u32,
        sent_ms: u64,
        request: Request,
    },
    Answer {
        number: u64,
        life: u32,
        answer: Answer,
    },
    Timeout {
        number: u64,
        life: u32,
    },
    Obeyed {
        life: u32,
        ack: Ack,
    },
}

struct World {
    start: Instant,
    /// Milliseconds since the start.
    time: u64,
    convex: Convex,
    /// Nobody answers.
    cut: bool,
    network: Network,
    random: StdRng,
    letters: BTreeMap<(u64, u64), Letter>,
    posted: u64,
    core: Core,
    life: u32,
    /// The node's clock is behind by so much.
    clock_behind_ms: i64,
    disk: Vec<Line>,
    told: Vec<Event>,
    dropped: HashMap<Dropped, u64>,
    obeyed: HashMap<String, u32>,
    put_off: u32,
    news: Vec<News>,
    became: Vec<String>,
    requests: u64,
}

const EPOCH_MS: u64 = 1_795_000_000_000;
const MOST_LOG: u64 = 64 << 20;

impl World {
    fn new(seed: u8, network: Network) -> Self {
        let start = Instant::now();
        let now = Moment {
            at: start,
            ms: EPOCH_MS,
        };
        let core = core(now, &[], seed);
        Self {
            start,
            time: 0,
            convex: Convex {
                next_sync_ms: 5_000,
                ..Convex::default()
            },
            cut: false,
            network,
            random: StdRng::from_seed([seed ^ 0xff; 32]),
            letters: BTreeMap::new(),
            posted: 0,
            core,
            life: 0,
            clock_behind_ms: 0,
            disk: Vec::new(),
            told: Vec::new(),
            dropped: HashMap::new(),
            obeyed: HashMap::new(),
            put_off: 0,
            news: Vec::new(),
            became: Vec::new(),
            requests: 0,
        }
        .with_first_lines()
    }

    fn with_first_lines(mut self) -> Self {
        self.disk = self.core.ledger().lines();
        self
    }

    fn now(&self) -> Moment {
        Moment {
            at: self.start + Duration::from_millis(self.time),
            ms: (EPOCH_MS + self.time).saturating_add_signed(-self.clock_behind_ms),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn post(&mut self, after: u64, letter: Letter) {
        self.posted += 1;
        self.letters
            .insert((self.time + after, self.posted), letter);
    }

    /// How long something is on its way; never, if it is lost.
    fn way(&mut self) -> Option<u64> {
        let Network { lost, delayed, .. } = self.network;
        if self.cut || self.chance(lost) {
            return None;
        }
        Some(if self.chance(delayed) {
            self.random.random_range(5_000..60_000)
        } else {
            self.random.random_range(20..400)
        })
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.core.handle(now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Write(lines) => self.disk.extend(lines),
                Output::Rewrite(lines) => self.disk = lines,
                Output::Send(number, request) => self.send(number, request),
                Output::Obey(command) => {
                    *self.obeyed.entry(command.id.clone()).or_default() += 1;
                    let (life, ack) = (self.life, done(command.id));
                    let after = self.random.random_range(0..50);
                    self.post(after, Letter::Obeyed { life, ack });
                }
                Output::PutOff => self.put_off += 1,
                Output::Become(desired) => self.became.push(desired.hash),
                Output::Dropped(reason, count) => *self.dropped.entry(reason).or_default() += count,
                Output::Tell(news) => self.news.push(news),
            }
        }
    }

    fn send(&mut self, number: u64, request: Request) {
        const GIVEN_UP_AFTER: u64 = 10_000;
        self.requests += 1;
        let life = self.life;
        self.post(GIVEN_UP_AFTER, Letter::Timeout { number, life });
        let copies = if self.chance(self.network.doubled) {
            2
        } else {
            1
        };
        let sent_ms = self.core.time_there(self.now());
        for _ in 0..copies {
            if let Some(way) = self.way() {
                let request = request.clone();
                self.post(
                    way,
                    Letter::Request {
                        number,
                        life,
                        sent_ms,
                        request,
                    },
                );
            }
        }
    }

    fn arrive(&mut self, letter: Letter) {
        match letter {
            Letter::Request {
                number,
                life,
                sent_ms,
                request,
            } => {
                let now_ms = EPOCH_MS + self.time;
                let answer = self.convex.answer(now_ms, sent_ms, request);
                if let Some(way) = self.way() {
                    self.post(
                        way,
                        Letter::Answer {
                            number,
                            life,
                            answer,
                        },
                    );
                }
            }
            Letter::Answer {
                number,
                life,
                answer,
            } if life == self.life => {
                self.input(Input::Answer(number, answer));
            }
            Letter::Timeout { number, life } if life == self.life => {
                self.input(Input::Answer(number, Answer::Lost(Loss::Timeout)));
            }
            Letter::Obeyed { life, ack } if life == self.life => self.input(Input::Obeyed(ack)),
            // Of a process that is gone.
            Letter::Answer { .. } | Letter::Timeout { .. } | Letter::Obeyed { .. } => {}
        }
    }

    /// Lets `ms` pass.
    fn pass(&mut self, ms: u64) {
        let end = self.time + ms;
        loop {
            let letter = self.letters.first_key_value().map(|((at, _), _)| *at);
            let due = self
                .core
                .deadline()
                .map(|at| (at - self.start).as_millis() as u64);
            let next = [letter, due.map(|at| at.max(self.time))];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.time = end;
                return;
            };
            self.time = next;
            if letter == Some(next) {
                let (_, letter) = self.letters.pop_first().unwrap();
                self.arrive(letter);
            }
            let now = self.now();
            self.core.tick(now);
            self.carry_out();
        }
    }

    fn happen(&mut self, room: &str, happened: Happened) {
        let event = Event {
            at: self.now().ms,
            room: room.into(),
            happened,
        };
        self.told.push(Event {
            at: EPOCH_MS + self.time,
            ..event.clone()
        });
        self.input(Input::Event(Box::new(event)));
    }

    fn leave(&mut self, number: u64) {
        self.happen("physics", left(number));
    }

    /// `kill -9`, and a new start a moment later.
    fn kill(&mut self) {
        self.life += 1;
        self.time += 500;
        let lines = self.disk.clone();
        let seed = self.random.random();
        self.core = core(self.now(), &lines, seed);
    }

    /// Waits until all is known there.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.core.ledger().len() == 0 && self.convex.commands.is_empty() {
                return;
            }
            self.pass(1_000);
        }
        panic!("{} events still wait", self.core.ledger().len());
    }

    fn all_arrived_once_in_order(&self) {
        assert_eq!(self.convex.applied.len(), self.told.len());
        for (arrived, told) in self.convex.applied.iter().zip(&self.told) {
            assert_eq!(arrived.happened, told.happened);
        }
        assert!(self.dropped.is_empty(), "{:?}", self.dropped);
    }
}

fn core(now: Moment, lines: &[Line], seed: u8) -> Core {
    let name = || stream_name(u128::from(seed) + 1);
    let ledger = Ledger::read(lines.iter().cloned(), MOST_LOG, name);
    let register = Register {
        node: "lagos-1".into(),
        region: "lagos".into(),
        url: "wss://lagos-1.example".into(),
        http_url: "https://lagos-1.example".into(),
        relay: None,
        capacity: 500,
        build: "0.1.0".into(),
        started_at_ms: now.ms,
        stream: String::new(),
        signing_key: String::new(),
    };
    Core::new(now, ledger, register, String::new(), [seed; 32])
}

fn left(number: u64) -> Happened {
    Happened::Left {
        sid: format!("PA_{number}"),
        identity: "ada".into(),
        reason: "CLIENT_INITIATED".into(),
    }
}

fn done(id: String) -> Ack {
    Ack {
        id,
        ok: true,
        error: None,
    }
}

const FINE: Network = Network {
    lost: 0,
    doubled: 0,
    delayed: 0,
};
const BAD: Network = Network {
    lost: 30,
    doubled: 20,
    delayed: 10,
};

#[test]
fn what_somebody_waits_for_is_told_within_a_moment_and_the_rest_with_the_next_sync() {
    let mut world = World::new(1, FINE);
    world.pass(2_000);
    assert!(world.core.is_registered());
    let before = world.requests;
    world.leave(1);
    world.leave(2);
    world.pass(249);
    assert_eq!(
        world.requests, before,
        "what comes together is told together"
    );
    world.pass(1_000);
    assert_eq!(
        (world.requests, world.convex.applied.len()),
        (before + 1, 2)
    );

    world.happen("physics", Happened::ChatSealed { count: 1 });
    world.pass(1_000);
    assert_eq!(world.requests, before + 1, "nobody waits for that");
    world.pass(5_000);
    assert_eq!(world.convex.applied.len(), 3);
    world.all_arrived_once_in_order();
}

#[test]
fn an_idle_node_speaks_as_often_as_it_is_asked_to() {
    let mut world = World::new(2, FINE);
    world.convex.next_sync_ms = 15_000;
    world.pass(3_600_000);
    assert!((235..=245).contains(&world.requests), "{}", world.requests);
}

#[test]
fn over_a_bad_network_everything_arrives_once_and_in_order() {
    for seed in 0..40 {
        let mut world = World::new(seed, BAD);
        for number in 0..300 {
            world.leave(number);
            let pause = world.random.random_range(0..400);
            world.pass(pause);
        }
        world.settle();
        world.pass(120_000);
        world.all_arrived_once_in_order();
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_the_process_is_killed_at_any_moment() {
    for seed in 0..40 {
        let mut world = World::new(seed, BAD);
        for number in 0..300 {
            world.leave(number);
            let pause = world.random.random_range(0..400);
            world.pass(pause);
            if world.chance(4) {
                world.kill();
            }
        }
        world.settle();
        world.pass(120_000);
        world.all_arrived_once_in_order();
        assert!(world.convex.epoch > 3, "it was started anew");
    }
}

#[test]
fn ten_minutes_alone_with_five_hundred_people_cost_nothing() {
    let mut world = World::new(
        7,
        Network {
            lost: 2,
            doubled: 2,
            delayed: 1,
        },
    );
    world.pass(2_000);
    world.cut = true;
    let mut number = 0;
    // Everybody comes, shows what they have, writes, raises a hand, and goes.
    for minute in 0..10 {
        for person in 0..500 {
            number += 1;
            let happened = match minute % 5 {
                0 => left(number),
                1 => Happened::ChatSealed { count: number },
                _ => Happened::Hand {
                    sid: format!("PA_{person}"),
                    identity: "ada".into(),
                    raised: minute % 2 == 0,
                },
            };
            world.happen("assembly", happened);
            world.pass(120);
        }
    }
    let tries = world.requests;
    assert!(tries < 120, "{tries} tries in ten minutes");
    assert_eq!(world.convex.applied.len(), 0);
    world.cut = false;
    let back = world.time;
    world.settle();
    let took = world.time - back;
    assert!(took < 90_000, "{took} ms to tell {number} events");
    world.all_arrived_once_in_order();
    assert!(
        matches!(world.news[1], News::Away(Loss::Timeout)),
        "{:?}",
        world.news
    );
    let backs = world
        .news
        .iter()
        .filter(|it| matches!(it, News::Back { .. }));
    assert!(backs.count() >= 1);
}

#[test]
fn commands_are_carried_out_once_however_often_they_are_told() {
    for seed in 0..20 {
        let mut world = World::new(seed, BAD);
        world.pass(5_000);
        for number in 0..50 {
            let id = format!("c{number:02}");
            let order = json!({ "id": id, "type": "close_room", "room": "r", "reason": "ended" });
            world.convex.commands.insert(id, order);
            world.pass(1_000);
        }
        world.settle();
        assert_eq!(world.obeyed.len(), 50);
        assert!(
            world.obeyed.values().all(|times| *times == 1),
            "{:?}",
            world.obeyed
        );
        // Told again by mistake, long after.
        let again = json!({ "id": "c00", "type": "drain" });
        world.convex.commands.insert("c00".into(), again.clone());
        world.settle();
        world.kill();
        world.convex.commands.insert("c00".into(), again);
        world.settle();
        assert_eq!(world.obeyed["c00"], 1, "also after a restart");
    }
}

#[test]
fn more_commands_than_fit_are_counted_and_done_when_they_are_told_again() {
    const MOST: usize = 1_000;
    const ALL: usize = MOST + 500;
    let mut world = World::new(5, FINE);
    world.pass(2_000);
    for number in 0..ALL {
        let id = format!("c{number:04}");
        let order = json!({ "id": id, "type": "close_room", "room": "r", "reason": "ended" });
        world.convex.commands.insert(id, order);
    }
    world.input(Input::Poked);
    while world.obeyed.is_empty() {
        world.pass(1);
    }
    // What is done so soon makes room.
    assert!(
        (MOST..ALL).contains(&world.obeyed.len()),
        "{}",
        world.obeyed.len()
    );
    assert_eq!(world.obeyed.len() + world.put_off as usize, ALL);
    world.settle();
    assert_eq!(world.obeyed.len(), ALL);
    assert!(world.obeyed.values().all(|times| *times == 1));
}

#[test]
fn a_command_that_is_late_or_unknown_is_answered_and_not_done() {
    let mut world = World::new(3, FINE);
    world.pass(2_000);
    let late = json!({ "id": "a", "type": "drain", "deadlineAt": EPOCH_MS });
    let unknown = json!({ "id": "b", "type": "paint", "colour": "green" });
    let nameless = json!({ "type": "drain" });
    for (id, order) in [("a", late), ("b", unknown), ("c", nameless)] {
        world.convex.commands.insert(id.into(), order);
    }
    world.pass(20_000);
    assert!(world.obeyed.is_empty());
    let acks = &world.convex.acks;
    assert_eq!(acks.len(), 2);
    assert!(acks.iter().all(|ack| !ack.ok), "{acks:?}");
    assert_eq!(acks[0].error.as_deref(), Some("late"));
}

#[test]
fn a_clock_ten_minutes_off_is_refused_put_right_and_told_of() {
    let mut world = World::new(4, FINE);
    world.clock_behind_ms = 600_000;
    world.leave(1);
    world.pass(3_000);
    world.leave(2);
    world.settle();
    world.all_arrived_once_in_order();
    for (arrived, told) in world.convex.applied.iter().zip(&world.told) {
        let off = arrived.at.abs_diff(told.at);
        assert!(off < 500, "{off} ms");
    }
    let told = |news: &News| matches!(news, News::ClockOff { by_ms } if *by_ms > 599_000);
    assert_eq!(world.news.iter().filter(|news| told(news)).count(), 1);
}

#[test]
fn a_second_start_elsewhere_makes_the_first_register_again_but_not_in_a_tight_circle() {
    let mut world = World::new(5, FINE);
    world.pass(2_000);
    let before = world.requests;
    for _ in 0..60 {
        world.convex.epoch += 1;
        world.leave(1);
        world.pass(1_000);
    }
    let requests = world.requests - before;
    assert!(requests < 250, "{requests} in a minute");
    world.settle();
    world.all_arrived_once_in_order();
}

#[test]
fn what_the_other_end_has_forgotten_does_not_stop_what_comes_after() {
    let mut world = World::new(6, FINE);
    world.leave(1);
    world.leave(2);
    world.settle();
    // Its records were put back to an older state.
    world.convex.known.values_mut().for_each(|known| *known = 1);
    world.leave(3);
    world.settle();
    let disagreed = News::Disagreed(Disagreement::Behind);
    assert!(world.news.contains(&disagreed), "{:?}", world.news);
    assert_eq!(world.convex.applied.len(), 3);
}

#[test]
fn a_disk_that_lost_its_end_does_not_lose_what_comes_after() {
    let mut world = World::new(8, FINE);
    world.leave(1);
    let early = world.disk.clone();
    world.leave(2);
    world.leave(3);
    world.settle();
    world.disk = early;
    world.kill();
    world.leave(4);
    world.settle();
    world.all_arrived_once_in_order();
}

#[test]
fn one_event_that_cannot_be_read_there_holds_up_the_others_for_a_while_only() {
    let mut world = World::new(9, FINE);
    world.convex.poison = Some("poison".into());
    for number in 0..40 {
        let room = if number == 17 { "poison" } else { "physics" };
        world.happen(room, left(number));
    }
    world.settle();
    assert_eq!(world.dropped, HashMap::from([(Dropped::Refused, 1)]));
    world.told.remove(17);
    world.dropped.clear();
    world.all_arrived_once_in_order();
}

#[test]
fn a_control_plane_that_understands_nothing_costs_no_event() {
    let mut world = World::new(10, FINE);
    world.pass(2_000);
    world.convex.refusing = Some(Refused {
        error: "malformed".into(),
        message: "upgrade the node".into(),
        server_time_ms: None,
        retry_after_ms: None,
    });
    for number in 0..10 {
        world.leave(number);
    }
    world.pass(600_000);
    assert!(world.requests < 100, "{}", world.requests);
    let refusals = world
        .news
        .iter()
        .filter(|it| matches!(it, News::Refused { .. }));
    assert_eq!(refusals.count(), 1, "told once");
    world.convex.refusing = None;
    world.settle();
    world.all_arrived_once_in_order();
}

#[test]
fn who_asks_for_patience_is_left_alone() {
    let mut world = World::new(11, FINE);
    world.pass(2_000);
    let before = world.convex.requests;
    world.convex.refusing = Some(Refused {
        error: "busy".into(),
        message: String::new(),
        server_time_ms: None,
        retry_after_ms: Some(20_000),
    });
    world.leave(1);
    world.pass(60_000);
    let asked = world.convex.requests - before;
    assert!((2..=4).contains(&asked), "{asked}");
}

#[test]
fn what_it_shall_be_like_is_told_again_only_when_it_changes() {
    let mut world = World::new(12, BAD);
    world.convex.desired_hash = "one".into();
    world.pass(300_000);
    world.convex.desired_hash = "two".into();
    world.input(Input::Poked);
    world.pass(300_000);
    assert_eq!(world.became.last().map(String::as_str), Some("two"));
    let twos = world.became.iter().filter(|hash| *hash == "two").count();
    assert_eq!(twos, 1);
}

#[test]
fn a_log_that_is_full_is_written_anew_with_all_that_came_meanwhile() {
    let mut world = World::new(13, FINE);
    world.cut = true;
    let ledger = Ledger::read(world.disk.clone(), 8_192, || unreachable!("it has a name"));
    let register = world.core.register.clone();
    world.core = Core::new(world.now(), ledger, register, String::new(), [13; 32]);
    let figures = || Happened::Quality {
        sid: "PA_q".into(),
        figures: Default::default(),
    };
    // Many at once: nothing is carried out in between.
    for number in 0..400 {
        let happened = if number % 2 == 0 {
            figures()
        } else {
            left(number)
        };
        let (at, room) = (world.now().ms, "physics".to_owned());
        let event = Event { at, room, happened };
        let now = world.now();
        world.core.handle(now, Input::Event(Box::new(event)));
    }
    world.carry_out();
    assert!(world.dropped[&Dropped::Figures] > 0);
    let waiting = world.core.ledger().len();
    let on_disk = Ledger::read(world.disk.clone(), 8_192, String::new);
    assert_eq!(on_disk.len(), waiting);
    world.told = (0..200)
        .map(|number| Event {
            at: 0,
            room: "physics".into(),
            happened: left(number * 2 + 1),
        })
        .collect();
    world.kill();
    world.cut = false;
    world.settle();
    world
        .convex
        .applied
        .retain(|event| matches!(event.happened, Happened::Left { .. }));
    world.dropped.clear();
    world.all_arrived_once_in_order();
}

#[test]
fn names_of_numberings_are_uuids() {
    let name = stream_name(u128::MAX);
    assert_eq!(name, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(stream_name(0), "00000000-0000-4000-8000-000000000000");
}
