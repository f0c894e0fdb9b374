//! What waits, what is given up, and what is left after a restart.

use super::*;
use crate::control::wire::event::Figures;

const MOST: u64 = 16_384;

fn ledger() -> Ledger {
    Ledger::read([], MOST, || "first".into())
}

fn event(at: u64, happened: Happened) -> Event {
    Event {
        at,
        room: "physics".into(),
        happened,
    }
}

fn left(number: u64) -> Event {
    let happened = Happened::Left {
        sid: format!("PA_{number}"),
        identity: "ada".into(),
        reason: "client_initiated".into(),
    };
    event(number, happened)
}

fn quality(number: u64) -> Event {
    let happened = Happened::Quality {
        sid: "PA_q".into(),
        figures: Figures::default(),
    };
    event(number, happened)
}

fn hand(number: u64, raised: bool) -> Event {
    let happened = Happened::Hand {
        sid: "PA_h".into(),
        identity: "ada".into(),
        raised,
    };
    event(number, happened)
}

fn words(number: u64) -> Event {
    let happened = Happened::ChatDeleted {
        message_id: format!("m{number}"),
        identity: "ada".into(),
    };
    event(number, happened)
}

fn ats(ledger: &mut Ledger) -> Vec<u64> {
    let events = ledger.tell(usize::MAX, u64::MAX);
    events.iter().map(|event| event.at).collect()
}

fn count(ledger: &Ledger, weight: Weight) -> usize {
    let waiting = ledger.waiting.iter();
    waiting.filter(|it| it.event.weight() == weight).count()
}

#[test]
fn events_keep_their_numbers_until_they_are_known_there() {
    let mut ledger = ledger();
    for number in 1..=5 {
        assert_eq!(ledger.note(left(number)).0, Note::Kept);
    }
    assert_eq!(ledger.tell(3, u64::MAX).len(), 3);
    assert_eq!(ledger.acknowledge(2), Ok(true));
    assert_eq!((ledger.first(), ledger.len()), (3, 3));
    assert_eq!(ledger.acknowledge(2), Ok(false), "heard twice");
    assert_eq!(ledger.acknowledge(1), Err(Disagreement::Behind));
    assert_eq!(
        ledger.acknowledge(4),
        Err(Disagreement::Ahead),
        "never told"
    );
    assert_eq!(ats(&mut ledger), [3, 4, 5]);
    assert_eq!(ledger.acknowledge(5), Ok(true));
    assert_eq!((ledger.first(), ledger.len(), ledger.bytes()), (6, 0, 0));
}

#[test]
fn a_message_takes_so_many_events_and_bytes() {
    let mut ledger = ledger();
    for number in 10..20 {
        ledger.note(left(number));
    }
    let one = size(&left(10)) + 1;
    assert_eq!(ledger.tell(4, u64::MAX).len(), 4);
    assert_eq!(ledger.tell(100, one * 3).len(), 3);
    assert_eq!(ledger.tell(100, one * 3 - 1).len(), 2);
}

#[test]
fn its_lines_make_the_same_ledger() {
    let mut ledger = ledger();
    let mut lines = ledger.lines();
    for number in 1..=4 {
        ledger.note(left(number));
        lines.push(Line::Event(Box::new(left(number))));
    }
    let done = Ack {
        id: "c1".into(),
        ok: false,
        error: Some("room_missing".into()),
    };
    ledger.finish(done.clone());
    lines.push(Line::Done(done.clone()));
    ledger.tell(2, u64::MAX);
    ledger.acknowledge(1).unwrap();
    lines.push(Line::Acked(1));
    for lines in [lines, ledger.lines()] {
        let mut again = Ledger::read(lines, MOST, || unreachable!("it has a name"));
        assert_eq!((again.stream(), again.first()), ("first", 2));
        assert_eq!(again.finished("c1"), Some(&done));
        assert_eq!(again.bytes(), ledger.bytes());
        assert_eq!(
            again.acknowledge(4),
            Ok(true),
            "they may all have been told"
        );
        assert!(ats(&mut again).is_empty());
    }
}

#[test]
fn figures_go_first_then_what_was_overtaken_and_never_who_was_there() {
    let mut ledger = ledger();
    let mut given: HashMap<Dropped, u64> = HashMap::new();
    let mut refused = HashMap::new();
    let mut noted = 0;
    for number in 0..2_000 {
        let event = match number % 5 {
            0 => quality(number),
            1 => hand(number, number % 2 == 0),
            2 => words(number),
            _ => left(number),
        };
        let (note, swept) = ledger.note(event);
        for (reason, count) in swept {
            *given.entry(reason).or_default() += count;
        }
        match note {
            Note::Kept => noted += 1,
            Note::Given(reason) => *refused.entry(reason).or_insert(0) += 1,
        }
    }
    let swept: u64 = given.values().sum();
    assert_eq!(noted - swept, ledger.len() as u64);
    assert_eq!(count(&ledger, Weight::Presence), 800);
    assert_eq!(count(&ledger, Weight::Figures), 0);
    let states = count(&ledger, Weight::State);
    assert!((1..20).contains(&states), "{states} of 400");
    assert!(given[&Dropped::Figures] > 0 && given[&Dropped::Overtaken] > 0);
    assert!(refused[&Dropped::Full] > 0);
    let kept_ats = ats(&mut ledger);
    assert!(kept_ats.is_sorted());
}

#[test]
fn what_may_be_known_there_is_never_given_up() {
    let mut ledger = ledger();
    for number in 0..20 {
        ledger.note(quality(number));
    }
    ledger.tell(10, u64::MAX);
    for number in 20..1_000 {
        ledger.note(left(number));
    }
    assert_eq!(count(&ledger, Weight::Figures), 10);
    assert_eq!(ledger.acknowledge(10), Ok(true));
    let after_a_restart = Ledger::read(ledger.lines(), MOST, String::new);
    assert_eq!(after_a_restart.first(), 11);
}

#[test]
fn room_is_made_again_when_what_waited_is_gone() {
    let mut ledger = ledger();
    for number in 0..1_000 {
        ledger.note(left(number));
    }
    let seq = ledger.tell(usize::MAX, u64::MAX).len() as u64;
    assert_eq!(ledger.note(quality(1)).0, Note::Given(Dropped::Figures));
    ledger.acknowledge(seq).unwrap();
    assert_eq!(ledger.note(quality(2)).0, Note::Kept);
}

#[test]
fn two_ends_that_disagree_begin_a_new_numbering() {
    let mut ledger = ledger();
    for number in 1..=4 {
        ledger.note(left(number));
    }
    ledger.tell(2, u64::MAX);
    ledger.start_over("second".into(), Disagreement::Behind);
    assert_eq!((ledger.stream(), ledger.first()), ("second", 1));
    assert_eq!(ats(&mut ledger), [1, 2, 3, 4], "nothing is lost");

    let lines: Vec<_> = (1..=3)
        .map(|number| Line::Event(Box::new(left(number))))
        .collect();
    let mut old = Ledger::read(lines, MOST, || "old".into());
    old.note(left(4));
    assert_eq!(old.acknowledge(9), Err(Disagreement::Ahead));
    old.start_over("new".into(), Disagreement::Ahead);
    assert_eq!(ats(&mut old), [4], "what happened since");
}

#[test]
fn only_so_many_commands_are_remembered() {
    let mut ledger = ledger();
    for number in 0..Done::MOST + 5 {
        ledger.finish(Ack {
            id: format!("c{number}"),
            ok: true,
            error: None,
        });
    }
    assert!(ledger.finished("c4").is_none() && ledger.finished("c5").is_some());
    assert_eq!(ledger.done.by_id.len(), Done::MOST);
}

#[test]
fn a_wrong_clock_is_put_right_for_what_nobody_has_heard() {
    let lines = [Line::Event(Box::new(left(1_000)))];
    let mut ledger = Ledger::read(lines, MOST, || "s".into());
    ledger.note(left(2_000));
    ledger.set_clock_right(600);
    assert_eq!(ats(&mut ledger), [1_000, 2_600]);
    ledger.set_clock_right(600);
    assert_eq!(ats(&mut ledger), [1_000, 2_600], "told already");
}
