//! Once a call runs, forwarding allocates nothing. The allocator counts per thread, and
//! the shard runs on the test's.

use e2e::{
    bench::{
        camera::Frame,
        stage::{Size, Stage},
    },
    load::client::inbox::Coalescing,
};

#[test]
fn forwarding_allocates_nothing_once_warm() {
    let size = Size {
        subscribers: 20,
        tracks: 2,
        coalescing: Coalescing::Allowed,
    };
    let frame = Frame {
        packets: 4,
        bytes: 1_200,
    };
    let mut stage = Stage::set(size).unwrap();
    let mut play = |frames: u64| {
        let before = stage.readers.received().0;
        let mut allocations = 0;
        for _ in 0..frames {
            // Reports and feedback are due every now and then and may allocate; done
            // beforehand they are not among what is counted.
            stage.clear();
            stage.send(frame).unwrap();
            let turns = || stage.take_turns();
            allocations += allocation_counter::measure(turns).count_total;
        }
        let packets = frames * 4 * 20;
        let missing = stage.readers.wait_for(before + packets);
        assert_eq!(missing, 0, "of {packets} packets");
        allocations
    };
    // Buffers grow to their size.
    play(100);
    // A frame moves deadlines of its publisher and its room, and the tree that keeps them
    // in order takes and gives back a node now and then: once a frame at most, however
    // many packets it has and whoever receives them.
    let frames = 1_000;
    let allocations = play(frames);
    assert!(
        allocations <= frames,
        "{allocations} for 80,000 packets in {frames} frames"
    );
}
