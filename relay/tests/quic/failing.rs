//! Links that are cut, nodes that are killed or go, and who is near them.

use std::time::{Duration, Instant};

use relay::Command;
use relay_proto::Wanted;

use crate::common::cable::Cable;
use crate::common::{Heard, Microphone, Node, Wanting, authority, hear, listen, speak};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_takes_another_way_within_half_a_second_when_a_link_dies() {
    // A machine that does much else may stop for longer than that: once it must be as it should.
    let mut gaps = Vec::new();
    for _ in 0..3 {
        let mut square = Square::new().await;
        let mut heard = Heard::default();
        hear(&mut square.kano, &mut heard, 25).await;
        let cut_at = Instant::now();
        square.used().await.cable.cut();
        hear(&mut square.kano, &mut heard, 50).await;
        let gap = heard.longest_gap(cut_at);
        assert_eq!(heard.doubles(), 0);
        gaps.push(gap);
        if gap <= Duration::from_millis(500) {
            return;
        }
    }
    panic!("the gaps were {gaps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_goes_leaves_no_gap() {
    let mut square = Square::new().await;
    let mut heard = Heard::default();
    hear(&mut square.kano, &mut heard, 25).await;
    let began_at = Instant::now();
    let used = square.used().await.index;
    let way = &mut square.ways[used];
    way.hub.tell(Command::Drain(Duration::from_secs(20))).await;
    // It stops when nothing comes over it any more, before its time is up.
    while way.hub.events.recv().await.is_some() {}
    assert!(
        began_at.elapsed() < Duration::from_secs(15),
        "it waited in vain"
    );
    hear(&mut square.kano, &mut heard, 50).await;
    assert_eq!((heard.lost(), heard.doubles()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_without_a_word_is_gone_after_two_seconds_and_comes_back() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let cable = Cable::to(hub.relay.address()).await;
    let lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", cable.address())
        .start();
    let mut kano = Wanting::new(&authority, "b-kano")
        .linked_to("m-hub", hub.relay.address())
        .start();
    let _microphone = speak(lagos).await;
    kano.until_track(Wanted::Yes).await;
    listen(&kano).await;
    let mut heard = Heard::default();
    hear(&mut kano, &mut heard, 10).await;
    let killed_at = Instant::now();
    cable.cut();
    kano.until_track(Wanted::No).await;
    let took = killed_at.elapsed();
    assert!(
        took > Duration::from_secs(1),
        "a moment of silence is no death: {took:?}"
    );
    assert!(took < Duration::from_secs(6), "{took:?}");
    // The partition heals: nobody has to wish anew.
    cable.mend();
    hear(&mut kano, &mut heard, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_q6_who_takes_nothing_any_more_hurts_nobody_else() {
    let mut gaps = Vec::new();
    for _ in 0..3 {
        let authority = authority();
        let hub = Wanting::new(&authority, "m-hub").hub().start();
        let address = hub.relay.address();
        let cable = Cable::to(address).await;
        let lagos = Wanting::new(&authority, "a-lagos")
            .linked_to("m-hub", address)
            .start();
        let mut kano = Wanting::new(&authority, "b-kano")
            .linked_to("m-hub", address)
            .start();
        let mut jos = Wanting::new(&authority, "c-jos")
            .linked_to("m-hub", cable.address())
            .start();
        let _microphone = speak(lagos).await;
        for node in [&mut kano, &mut jos] {
            node.until_track(Wanted::Yes).await;
            listen(node).await;
            hear(node, &mut Heard::default(), 5).await;
        }
        let mut heard = Heard::default();
        hear(&mut kano, &mut heard, 5).await;
        let cut_at = Instant::now();
        cable.cut();
        hear(&mut kano, &mut heard, 200).await;
        assert_eq!((heard.lost(), heard.doubles()), (0, 0));
        let gap = heard.longest_gap(cut_at);
        if gap < Duration::from_millis(150) {
            return;
        }
        gaps.push(gap);
    }
    panic!("the gaps were {gaps:?}");
}

/// Lagos speaks and Kano listens, over one of two hubs.
struct Square {
    kano: Node,
    ways: Vec<Way>,
    _microphone: Microphone,
}

struct Way {
    index: usize,
    hub: Node,
    /// Between the hub and Kano.
    cable: Cable,
}

impl Square {
    async fn new() -> Self {
        let authority = authority();
        let mut ways = Vec::new();
        for (index, name) in ["m-hub", "n-hub"].into_iter().enumerate() {
            let hub = Wanting::new(&authority, name).hub().start();
            let cable = Cable::to(hub.relay.address()).await;
            ways.push(Way { index, hub, cable });
        }
        let linked = |name, addresses: [_; 2]| {
            let [one, other] = addresses;
            Wanting::new(&authority, name)
                .linked_to("m-hub", one)
                .linked_to("n-hub", other)
        };
        let near = [0, 1].map(|way: usize| ways[way].hub.relay.address());
        let far = [0, 1].map(|way: usize| ways[way].cable.address());
        let lagos = linked("a-lagos", near).start();
        let mut kano = linked("b-kano", far).start();
        for node in ["m-hub", "n-hub"] {
            kano.until_status("both hubs are linked", |status| {
                status.links.iter().any(|link| link.node == node)
            })
            .await;
            lagos
                .until_status("both hubs are linked", |status| {
                    status.links.iter().any(|link| link.node == node)
                })
                .await;
        }
        let microphone = speak(lagos).await;
        kano.until_track(Wanted::Yes).await;
        listen(&kano).await;
        Self {
            kano,
            ways,
            _microphone: microphone,
        }
    }

    /// The way that the sound takes.
    async fn used(&self) -> &Way {
        let before: Vec<_> = self.ways.iter().map(|way| way.cable.carried()).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.ways
            .iter()
            .max_by_key(|way| way.cable.carried() - before[way.index])
            .expect("there are two")
    }
}
