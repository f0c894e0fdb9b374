//! Batches allocate nothing once warm. Alone in its file because the allocator, which
//! counts, is the whole process's.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use batch::{Received, Trains};
use common::{Inbox, LOOPBACK, Slab, bind, kinds};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn once_warm_nothing_is_allocated() {
    for (case, options) in kinds() {
        let sender = bind(LOOPBACK, options);
        let mut inboxes: Vec<_> = (0..50).map(|_| Inbox::new(LOOPBACK, options)).collect();
        let mut slab = Slab::default();
        for inbox in &inboxes {
            for len in [1_200, 1_200, 1_200, 300, 100] {
                slab.add(inbox.address(), len);
            }
            // One that fails must not cost memory either.
            slab.add("127.0.0.1:0".parse().unwrap(), 100);
        }
        let mut trains = Trains::new();
        let mut round = || {
            slab.push_to(&mut trains);
            let mut datagrams = trains.send(&sender, &slab.bytes).datagrams;
            for inbox in &mut inboxes {
                while inbox.receiver.receive(&inbox.socket).unwrap() != Received::Nothing {
                    datagrams += inbox.receiver.datagrams().count() as u64;
                }
            }
            datagrams
        };
        round();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let datagrams: u64 = (0..20).map(|_| round()).sum();
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        // Each is sent and received.
        assert_eq!((datagrams, allocations), (20 * 50 * 5 * 2, 0), "{case}");
    }
}
