//! What a kernel can answer, scripted: errors that loopback never shows.

use std::collections::VecDeque;

use super::*;
use crate::SendFailure;
use crate::socket::Segmentation;

/// A kernel that answers as told, then takes everything.
struct Scripted<'a> {
    trains: &'a [Train],
    answers: VecDeque<Answer>,
    /// What it took, by the last part of the port, and how many packets at once.
    taken: Vec<(u16, usize)>,
}

#[derive(Clone, Copy)]
enum Answer {
    /// Takes this many trains, or the one packet.
    Takes(usize),
    Fails(i32),
}

use Answer::{Fails, Takes};

impl Wire for Scripted<'_> {
    fn send_from(&mut self, first: usize) -> io::Result<usize> {
        let left = &self.trains[first..];
        match self.answers.pop_front().unwrap_or(Takes(left.len())) {
            Takes(count) => {
                let taken = &left[..count.min(left.len())];
                self.taken
                    .extend(taken.iter().map(|train| (train.to.port(), train.packets)));
                Ok(taken.len())
            }
            Fails(number) => Err(io::Error::from_raw_os_error(number)),
        }
    }

    fn send_one(&mut self, to: SocketAddr, _: &[u8]) -> io::Result<()> {
        match self.answers.pop_front().unwrap_or(Takes(1)) {
            Takes(_) => {
                self.taken.push((to.port(), 1));
                Ok(())
            }
            Fails(number) => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

#[test]
fn a_failing_destination_leaves_the_others_alone() {
    use SendFailure::{Invalid, NoBuffers, Other, Refused, TooLong, Unreachable, WouldBlock};
    let all = [(1, 1), (2, 3), (3, 1), (4, 2)];
    // Trains of 1, 3, 1 and 2 packets go to ports 1 to 4.
    check("all at once", &[], &all, &[]);
    check("in parts", &[Takes(1), Takes(2)], &all, &[]);
    check(
        "no memory",
        &[Takes(1), Fails(libc::ENOBUFS)],
        &[(1, 1), (3, 1), (4, 2)],
        &[(NoBuffers, 3)],
    );
    check(
        "first",
        &[Fails(libc::EPERM)],
        &[(2, 3), (3, 1), (4, 2)],
        &[(Other, 1)],
    );
    check(
        "last",
        &[Takes(3), Fails(libc::EPERM)],
        &[(1, 1), (2, 3), (3, 1)],
        &[(Other, 2)],
    );
    check(
        "an error of an earlier datagram",
        &[Fails(libc::ECONNREFUSED)],
        &all,
        &[],
    );
    check(
        "such an error behind others, so untold",
        &[Takes(2), Takes(2)],
        &all,
        &[],
    );
    check(
        "refused twice",
        &[Fails(libc::ECONNREFUSED), Fails(libc::ECONNREFUSED)],
        &all[1..],
        &[(Refused, 1)],
    );
    check(
        "refused twice, once untold",
        &[Takes(2), Fails(libc::ECONNREFUSED)],
        &[(1, 1), (2, 3), (4, 2)],
        &[(Refused, 1)],
    );
    check(
        "no way there",
        &[Takes(1), Fails(libc::ENETUNREACH)],
        &[(1, 1), (3, 1), (4, 2)],
        &[(Unreachable, 3)],
    );
    check(
        "full",
        &[Takes(1), Fails(libc::EAGAIN)],
        &[(1, 1)],
        &[(WouldBlock, 6)],
    );
    check(
        "one packet too long",
        &[Fails(libc::EMSGSIZE)],
        &all[1..],
        &[(TooLong, 1)],
    );
    check(
        "train not segmented",
        &[Takes(1), Fails(libc::EMSGSIZE)],
        &[(1, 1), (2, 1), (2, 1), (2, 1), (3, 1), (4, 2)],
        &[],
    );
    check(
        "train not segmented, and then its second packet not sent",
        &[Takes(1), Fails(libc::EINVAL), Takes(1), Fails(libc::EINVAL)],
        &[(1, 1), (2, 1), (2, 1), (3, 1), (4, 2)],
        &[(Invalid, 1)],
    );
    check(
        "train not segmented, and then no room",
        &[Takes(1), Fails(libc::EIO), Takes(1), Fails(libc::EAGAIN)],
        &[(1, 1), (2, 1)],
        &[(WouldBlock, 5)],
    );
}

#[test]
fn an_error_of_an_earlier_datagram_is_counted_once() {
    let segmentation = Segmentation::new(Support::Present);
    for answers in [
        &[Fails(libc::ECONNREFUSED)][..],
        &[Takes(1)],
        &[Takes(2), Takes(2)],
    ] {
        let (sent, _) = run(&segmentation, answers);
        assert_eq!((sent.late, sent.failed.total(), sent.calls), (1, 0, 2));
    }
}

#[test]
fn a_card_that_refuses_every_train_is_asked_no_more() {
    let segmentation = Segmentation::new(Support::Present);
    // Each batch has two trains of several packets.
    for batch in 0..8 {
        assert_eq!(segmentation.support(), Support::Present, "batch {batch}");
        let (sent, _) = run(&segmentation, &REFUSES_TRAINS);
        assert_eq!(
            (sent.unsegmented, sent.datagrams, sent.failed.total()),
            (2, 7, 0)
        );
    }
    assert_eq!(segmentation.support(), Support::Absent);
}

#[test]
fn one_route_without_segmentation_keeps_it_from_nobody_else() {
    let segmentation = Segmentation::new(Support::Present);
    for _ in 0..100 {
        let (sent, _) = run(&segmentation, &[Takes(1), Fails(libc::EIO)]);
        assert_eq!((sent.unsegmented, sent.datagrams), (1, 7));
    }
    assert_eq!(segmentation.support(), Support::Present);
}

#[test]
fn a_train_ends_where_the_kernel_would_not_follow() {
    let cases: [(&str, Vec<usize>, Vec<usize>); 8] = [
        ("equal", vec![1_200; 3], vec![3]),
        ("the last shorter", vec![1_200, 1_200, 300], vec![3]),
        (
            "nothing after a shorter one",
            vec![1_200, 300, 300],
            vec![2, 1],
        ),
        ("a longer one", vec![300, 1_200, 1_200], vec![1, 2]),
        ("more than 64", vec![100; 130], vec![64, 64, 2]),
        ("more than a message holds", vec![1_472; 50], vec![44, 6]),
        (
            "more alone than a message holds",
            vec![65_508, 1],
            vec![1, 1],
        ),
        ("empty ones", vec![0, 100, 0, 100, 0], vec![2]),
    ];
    for (case, packets, expected) in cases {
        let mut trains = Trains::new();
        let mut start = 0;
        for len in packets {
            trains.push(address(1), start..start + len);
            start += len;
        }
        assert_eq!(trains.lengths().collect::<Vec<_>>(), expected, "{case}");
    }
}

#[test]
fn packets_that_touch_are_one_piece() {
    let mut trains = Trains::new();
    let packets = [0..10, 10..20, 30..40, 40..50, 0..5];
    for packet in packets.clone() {
        trains.push(address(1), packet);
    }
    trains.push(address(2), 5..10);
    assert_eq!(trains.pieces, [0..20, 30..50, 0..5, 5..10]);
    let found: Vec<_> = super::packets(&trains.trains, &trains.pieces).collect();
    let expected = packets.map(|packet| (address(1), packet)).into_iter();
    assert_eq!(
        found,
        expected.chain([(address(2), 5..10)]).collect::<Vec<_>>()
    );
}

fn check(case: &str, answers: &[Answer], taken: &[(u16, usize)], failed: &[(SendFailure, u64)]) {
    let (sent, found) = run(&Segmentation::new(Support::Present), answers);
    assert_eq!(found, taken, "{case}");
    let failures: Vec<_> = sent.failed.iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(failures, failed, "{case}");
    assert_eq!(sent.datagrams + sent.failed.total(), 7, "{case}");
    assert_eq!(sent.trains, taken.len() as u64, "{case}");
}

/// One batch with trains of 1, 3, 1 and 2 packets.
fn run(segmentation: &Segmentation, answers: &[Answer]) -> (Sent, Vec<(u16, usize)>) {
    let mut trains = Trains::new();
    for (port, packets) in [(1, 1), (2, 3), (3, 1), (4, 2)] {
        for _ in 0..packets {
            trains.push(address(port), 0..100);
        }
    }
    let mut wire = Scripted {
        trains: &trains.trains,
        answers: answers.iter().copied().collect(),
        taken: Vec::new(),
    };
    let mut departure = Departure::new(&trains.pieces, &[0; 100], segmentation);
    departure.send_many(&trains.trains, &mut wire);
    (departure.finish(), wire.taken)
}

/// Answers to the batch above of a kernel that segments nothing.
const REFUSES_TRAINS: [Answer; 7] = [
    Takes(1),
    Fails(libc::EIO),
    Takes(1),
    Takes(1),
    Takes(1),
    Takes(1),
    Fails(libc::EIO),
];

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
