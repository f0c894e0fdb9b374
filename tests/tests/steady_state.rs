//! Once a call runs, nothing is allocated: not for packets, and not for the reports and the
//! feedback on them. The allocator counts per thread, and the shard runs on the test's.

use e2e::{
    bench::{
        camera::Frame,
        stage::{Size, Stage},
    },
    load::client::inbox::Coalescing,
};

#[test]
fn a_call_allocates_nothing_once_warm() {
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
        let mut count = |turns: &mut dyn FnMut()| {
            allocations += allocation_counter::measure(turns).count_total;
        };
        for _ in 0..frames {
            // Reports and feedback that are due now and then.
            count(&mut || stage.clear());
            stage.send(frame).unwrap();
            count(&mut || stage.take_turns());
        }
        let packets = frames * 4 * 20;
        let missing = stage.readers.wait_for(before + packets);
        assert_eq!(missing, 0, "of {packets} packets");
        allocations
    };
    // Buffers grow to their size; the first reports are made more often than later ones.
    play(700);
    assert_eq!(play(1_000), 0, "in 1,000 frames, 80,000 packets");
}
