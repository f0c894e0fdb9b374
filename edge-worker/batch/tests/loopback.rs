//! Batches over real sockets: whichever calls carry them, what arrives is what was sent.

mod common;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use batch::{
    ArrivalTimes, Calls, Offload, Options, Received, SendFailure, Sent, Socket, Support, Trains,
};
use common::{Inbox, LOOPBACK, Slab, address, bind, kinds};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use socket2::SockRef;

#[test]
fn random_batches_arrive_whole_and_in_order_however_they_are_sent_and_received() {
    for (nth, (sending, send_options)) in (0..).zip(kinds()) {
        for (receiving, receive_options) in kinds() {
            let case = format!("from ({sending}) to ({receiving})");
            let mut random = SmallRng::seed_from_u64(nth);
            let mut network = Network::new(LOOPBACK, send_options, receive_options, 12);
            for _ in 0..4 {
                let destinations = random.random_range(1..=12);
                network.check(
                    &random_batch(&mut random, &network.inboxes[..destinations]),
                    &case,
                );
            }
        }
    }
}

#[test]
fn two_hundred_destinations_are_one_call() {
    let mut network = Network::new(LOOPBACK, Options::default(), Options::default(), 200);
    let mut random = SmallRng::seed_from_u64(200);
    for _ in 0..3 {
        let slab = random_batch(&mut random, &network.inboxes);
        let sent = network.check(&slab, "two hundred");
        // Each destination has a handful of trains at most: the kernel takes 1,024 a call.
        assert!(sent.calls <= sent.trains.div_ceil(1_024), "{sent:?}");
    }
}

#[test]
fn more_trains_than_one_call_takes_all_arrive() {
    let mut network = Network::new(LOOPBACK, Options::default(), Options::default(), 60);
    let mut slab = Slab::default();
    for _ in 0..40 {
        for inbox in &network.inboxes {
            slab.add(inbox.address(), 60);
        }
    }
    let sent = network.check(&slab, "2,400 trains");
    assert_eq!((sent.trains, sent.calls), (2_400, 3));
}

#[test]
fn a_train_is_one_message_for_the_kernel() {
    let sender = bind(LOOPBACK, Options::default());
    if sender.capabilities().segmentation == Support::Absent {
        return;
    }
    let mut network = Network::new(LOOPBACK, Options::default(), Options::default(), 2);
    let mut slab = Slab::default();
    for inbox in &network.inboxes {
        for len in [1_200, 1_200, 1_200, 7] {
            slab.add(inbox.address(), len);
            slab.skip(5);
        }
    }
    let sent = network.check(&slab, "two trains");
    assert_eq!(
        (sent.calls, sent.trains, sent.datagrams, sent.bytes),
        (1, 2, 8, 7_214)
    );
    let counts = network.inboxes[0].receiver.counts();
    assert_eq!((counts.datagrams, counts.bytes), (4, 3_607));
    if network.inboxes[0].socket.capabilities().coalescing == Support::Present {
        assert_eq!(counts.messages, 1);
    }
}

#[test]
fn version_six_is_carried_like_version_four() {
    if Socket::bind("[::1]:0".parse().unwrap(), Options::default()).is_err() {
        return;
    }
    for (case, options) in kinds() {
        let mut random = SmallRng::seed_from_u64(6);
        let mut network = Network::new("[::1]:0", options, options, 6);
        let slab = random_batch(&mut random, &network.inboxes);
        network.check(&slab, &case);
    }
}

#[test]
fn one_socket_for_both_versions_names_version_four_as_mapped() {
    let Ok(both) = Socket::bind("[::]:0".parse().unwrap(), Options::default()) else {
        return;
    };
    let port = address(&both).port();
    let mut four = Inbox::new(LOOPBACK, Options::default());
    let mut slab = Slab::default();
    for _ in 0..3 {
        slab.add(SocketAddr::from(([127, 0, 0, 1], port)), 500);
    }
    assert_eq!(send(&four.socket, &slab).failed.total(), 0);

    let mut receiver = batch::Receiver::new(&both);
    let received = receiver.receive(&both);
    // A system may keep the versions apart; then nothing has come.
    if received.is_err() || receiver.counts().datagrams == 0 {
        return;
    }
    let origins: Vec<_> = receiver.datagrams().map(|(from, _)| from).collect();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), four.address().port());
    assert_eq!(origins, [mapped; 3]);

    // And back to the address as it was named.
    let mut slab = Slab::default();
    slab.add(mapped, 700);
    slab.add(mapped, 700);
    assert_eq!(send(&both, &slab).datagrams, 2);
    let back: Vec<_> = four
        .take_all()
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(back, slab.expected(mapped));
}

#[test]
fn destinations_that_fail_hurt_only_themselves() {
    for (case, options) in kinds() {
        let sender = bind(LOOPBACK, options);
        let mut inboxes: Vec<_> = (0..6).map(|_| Inbox::new(LOOPBACK, options)).collect();
        let mut slab = Slab::default();
        for (nth, inbox) in inboxes.iter().enumerate() {
            for _ in 0..5 {
                slab.add(inbox.address(), 900);
            }
            // Port zero is nobody's, the other version is not for this socket, and
            // broadcasting was not asked for.
            let bad = ["127.0.0.1:0", "[::1]:9", "127.255.255.255:9"][nth % 3];
            for _ in 0..3 {
                slab.add(bad.parse().unwrap(), 900);
            }
        }
        let sent = send(&sender, &slab);
        assert_eq!((sent.datagrams, sent.failed.total()), (30, 18), "{case}");
        assert_eq!(sent.failed.of(SendFailure::Invalid), 12, "{case}");
        assert_eq!(sent.failed.of(SendFailure::Other), 6, "{case}");
        for inbox in &mut inboxes {
            expect(inbox, address(&sender), &slab, &case);
        }
    }
}

#[test]
fn a_closed_port_is_reported_and_hurts_nobody() {
    for (case, options) in kinds() {
        let sender = bind(LOOPBACK, options);
        let mut inboxes: Vec<_> = (0..8).map(|_| Inbox::new(LOOPBACK, options)).collect();
        let closed: SocketAddr = "127.0.0.2:9".parse().unwrap();
        // Linux reports a closed port only to a socket connected to it, which can still send
        // to others.
        SockRef::from(&sender).connect(&closed.into()).unwrap();
        let mut slab = Slab::default();
        for (nth, inbox) in inboxes.iter().enumerate() {
            for len in [1_000, 1_000, 400] {
                slab.add(inbox.address(), len);
            }
            if nth == 3 {
                for _ in 0..2 {
                    slab.add(closed, 800);
                }
            }
        }
        let sent = send(&sender, &slab);
        assert!(sent.late >= 1, "{case}: {sent:?}");
        assert_eq!(
            sent.datagrams + sent.failed.of(SendFailure::Refused),
            26,
            "{case}"
        );
        assert_eq!(
            sent.failed.total(),
            sent.failed.of(SendFailure::Refused),
            "{case}"
        );
        for inbox in &mut inboxes {
            expect(inbox, address(&sender), &slab, &case);
        }
    }
}

#[test]
fn what_a_small_send_buffer_takes_arrives_and_the_rest_is_counted() {
    for (case, options) in kinds() {
        let sender = bind(
            LOOPBACK,
            Options {
                send_buffer: 1,
                ..options
            },
        );
        let mut inboxes: Vec<_> = (0..40).map(|_| Inbox::new(LOOPBACK, options)).collect();
        let mut slab = Slab::default();
        for inbox in &inboxes {
            for _ in 0..20 {
                slab.add(inbox.address(), 1_200);
            }
        }
        let sent = send(&sender, &slab);
        // Loopback takes a datagram off the sender's account as it delivers it, so the buffer
        // fills only where something (a queueing discipline) holds it up.
        assert_eq!(
            sent.datagrams + sent.failed.of(SendFailure::WouldBlock),
            800,
            "{case}"
        );
        assert_eq!(sent.bytes, sent.datagrams * 1_200, "{case}");
        let arrived: usize = inboxes.iter_mut().map(|inbox| inbox.take_all().len()).sum();
        assert_eq!(arrived as u64, sent.datagrams, "{case}");
    }
}

#[test]
fn a_packet_no_path_takes_is_counted_and_the_rest_goes() {
    for (case, options) in kinds() {
        let sender = bind(LOOPBACK, options);
        let mut inbox = Inbox::new(LOOPBACK, options);
        let mut slab = Slab::default();
        slab.add(inbox.address(), 100);
        let end = slab.bytes.len();
        slab.skip(70_000);
        slab.packets.push((inbox.address(), end..end + 70_000));
        slab.add(inbox.address(), 100);
        let sent = send(&sender, &slab);
        assert_eq!(
            (sent.datagrams, sent.failed.of(SendFailure::TooLong)),
            (2, 1),
            "{case}"
        );
        slab.packets.remove(1);
        expect(&mut inbox, address(&sender), &slab, &case);
    }
}

#[test]
fn datagrams_longer_than_allowed_are_left_out_and_counted() {
    for (case, options) in kinds() {
        let sender = bind(LOOPBACK, Options::default());
        let mut inbox = Inbox::new(
            LOOPBACK,
            Options {
                longest_datagram: 1_500,
                ..options
            },
        );
        let mut slab = Slab::default();
        for len in [1_500, 1_501, 1_501, 20, 9_000, 300] {
            slab.add(inbox.address(), len);
        }
        assert_eq!(send(&sender, &slab).datagrams, 6, "{case}");
        slab.packets.retain(|(_, packet)| packet.len() <= 1_500);
        expect(&mut inbox, address(&sender), &slab, &case);
        let counts = inbox.receiver.counts();
        assert_eq!(
            (counts.datagrams, counts.bytes, counts.cut),
            (3, 1_820, 3),
            "{case}"
        );
    }
}

#[test]
fn an_empty_datagram_from_outside_is_left_out() {
    for (case, options) in kinds() {
        let mut inbox = Inbox::new(LOOPBACK, options);
        let other = std::net::UdpSocket::bind(LOOPBACK).unwrap();
        for bytes in [&b"a"[..], b"", b"b"] {
            other.send_to(bytes, inbox.address()).unwrap();
        }
        let from = other.local_addr().unwrap();
        assert_eq!(
            inbox.take_all(),
            [(from, b"a".to_vec()), (from, b"b".to_vec())],
            "{case}"
        );
    }
}

#[test]
fn receiving_says_whether_there_may_be_more() {
    for (case, options) in kinds() {
        // Without coalescing, to know how many datagrams fill the memory.
        let options = Options {
            coalescing: Offload::Never,
            ..options
        };
        let mut inbox = Inbox::new(LOOPBACK, options);
        assert_eq!(
            inbox.receiver.receive(&inbox.socket).unwrap(),
            Received::Nothing,
            "{case}"
        );
        let sender = bind(LOOPBACK, options);
        let mut slab = Slab::default();
        for _ in 0..70 {
            slab.add(inbox.address(), 10);
        }
        send(&sender, &slab);
        for (received, count) in [(Received::Full, 64), (Received::Drained, 6)] {
            assert_eq!(
                inbox.receiver.receive(&inbox.socket).unwrap(),
                received,
                "{case}"
            );
            assert_eq!(inbox.receiver.datagrams().count(), count, "{case}");
        }
        assert_eq!(
            inbox.receiver.receive(&inbox.socket).unwrap(),
            Received::Nothing,
            "{case}"
        );
        assert_eq!(inbox.receiver.datagrams().count(), 0, "{case}");
    }
}

#[test]
fn datagrams_are_changed_where_they_lie() {
    let mut inbox = Inbox::new(LOOPBACK, Options::default());
    let sender = bind(LOOPBACK, Options::default());
    let mut slab = Slab::default();
    for len in [100, 100, 50] {
        slab.add(inbox.address(), len);
    }
    send(&sender, &slab);
    inbox.receiver.receive(&inbox.socket).unwrap();
    let all: Vec<_> = inbox.receiver.datagrams().collect();
    for (nth, (_, bytes)) in (1..).zip(all) {
        bytes.fill(nth);
    }
    let fills: Vec<_> = inbox
        .receiver
        .datagrams()
        .map(|(_, bytes)| bytes.to_vec())
        .collect();
    assert_eq!(fills, [vec![1; 100], vec![2; 100], vec![3; 50]]);
}

#[test]
fn an_option_turned_off_is_off() {
    for (case, options) in kinds() {
        let found = bind(LOOPBACK, options).capabilities();
        assert_eq!(found.calls, options.calls, "{case}");
        if options.calls == Calls::OneByOne || options.segmentation == Offload::Never {
            assert_eq!(found.segmentation, Support::Absent, "{case}");
        }
        if options.calls == Calls::OneByOne || options.coalescing == Offload::Never {
            assert_eq!(found.coalescing, Support::Absent, "{case}");
        }
    }
}

#[test]
fn what_a_thread_needs_can_be_made_before_it_starts() {
    fn moves<T: Send>() {}
    moves::<Socket>();
    moves::<batch::Receiver>();
    moves::<Trains>();
}

/// One sender and many receivers.
struct Network {
    sender: Socket,
    inboxes: Vec<Inbox>,
    trains: Trains,
}

impl Network {
    fn new(at: &str, sending: Options, receiving: Options, receivers: usize) -> Self {
        Self {
            sender: bind(at, sending),
            inboxes: (0..receivers).map(|_| Inbox::new(at, receiving)).collect(),
            trains: Trains::new(),
        }
    }

    /// Sends a batch and sees that all of it arrives.
    fn check(&mut self, slab: &Slab, case: &str) -> Sent {
        slab.push_to(&mut self.trains);
        let packets: usize = self.trains.lengths().sum();
        assert_eq!(packets, slab.packets.len(), "{case}");
        let sent = self.trains.send(&self.sender, &slab.bytes);
        assert!(self.trains.is_empty());
        let bytes: usize = slab.packets.iter().map(|(_, packet)| packet.len()).sum();
        let lost = sent.failed.total();
        assert_eq!(
            (sent.datagrams, sent.bytes, lost),
            (packets as u64, bytes as u64, 0),
            "{case}"
        );
        for inbox in &mut self.inboxes {
            expect(inbox, address(&self.sender), slab, case);
        }
        sent
    }
}

/// Per destination one to three trains of 1 to 70 packets, each train's last one shorter or
/// not, some lying apart in the slab.
fn random_batch(random: &mut SmallRng, inboxes: &[Inbox]) -> Slab {
    let mut slab = Slab::default();
    for inbox in inboxes {
        // The kernel counts more than the bytes of a datagram, and drops what has no room.
        let mut room = inbox.socket.buffers().expect("it is open").receive / 4_096;
        for _ in 0..random.random_range(1..=3) {
            let len = random.random_range(1..=1_472);
            let count = random.random_range(1..=70).min(room);
            if count == 0 {
                break;
            }
            room -= count;
            for _ in 1..count {
                slab.add(inbox.address(), len);
                if random.random_ratio(1, 8) {
                    slab.skip(random.random_range(1..100));
                }
            }
            slab.add(inbox.address(), random.random_range(1..=len));
        }
    }
    slab
}

fn send(socket: &Socket, slab: &Slab) -> Sent {
    let mut trains = Trains::new();
    slab.push_to(&mut trains);
    trains.send(socket, &slab.bytes)
}

fn expect(inbox: &mut Inbox, from: SocketAddr, slab: &Slab, case: &str) {
    let (at, arrived) = (inbox.address(), inbox.take_all());
    let expected = slab.expected(at);
    assert_eq!(arrived.len(), expected.len(), "{case}");
    for (nth, ((origin, bytes), expected)) in arrived.iter().zip(expected).enumerate() {
        assert_eq!(*origin, from, "{case}: packet {nth}");
        assert!(
            bytes == expected,
            "{case}: packet {nth} of {} bytes differs",
            expected.len()
        );
    }
}

#[test]
fn the_kernel_tells_when_datagrams_arrived_however_late_they_are_read() {
    let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for coalescing in [Offload::WhereSupported, Offload::Never] {
        let wanted = Options {
            arrival_times: ArrivalTimes::Wanted,
            coalescing,
            ..Options::default()
        };
        let mut inbox = Inbox::new(LOOPBACK, wanted);
        let sender = bind(LOOPBACK, Options::default());
        let mut slab = Slab::default();
        for _ in 0..4 {
            slab.add(inbox.address(), 600);
        }
        let before = since_1970();
        assert_eq!(send(&sender, &slab).datagrams, 4);
        let after = since_1970();

        inbox.receiver.receive(&inbox.socket).unwrap();
        let mut datagrams = inbox.receiver.datagrams();
        let mut count = 0;
        while let Some((_, datagram)) = datagrams.next() {
            let at = datagrams.arrived_at().expect("it was asked for");
            assert!(
                (before..=after).contains(&at),
                "{before:?} {at:?} {after:?}"
            );
            assert_eq!(datagram.len(), 600);
            count += 1;
        }
        assert_eq!(count, 4);
    }
    let mut inbox = Inbox::new(LOOPBACK, Options::default());
    let mut slab = Slab::default();
    slab.add(inbox.address(), 600);
    assert_eq!(
        send(&bind(LOOPBACK, Options::default()), &slab).datagrams,
        1
    );
    inbox.receiver.receive(&inbox.socket).unwrap();
    let mut datagrams = inbox.receiver.datagrams();
    assert!(datagrams.next().is_some());
    assert_eq!(datagrams.arrived_at(), None, "nobody asked");
}
