//! How long the thread has worked on something: its own processor time, so that a turn that
//! another program interrupts is not taken for one that has too much to do.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Work that began at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// What the thread had worked before.
    began_at: Duration,
}

impl Effort {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self { began_at: worked() }
    }

    /// How long this thread has worked since; it must be the one that began.
    pub(super) fn spent(self) -> Duration {
        worked().saturating_sub(self.began_at)
    }
}

fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel counts from zero and normalises.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn work_counts_and_waiting_for_the_processor_does_not() {
        let (since, effort) = (Instant::now(), Effort::begin());
        while effort.spent() < Duration::from_millis(5) {
            black_box(0);
        }
        let spent = effort.spent();
        // However busy the machine is: it cannot have worked longer than it took, but for
        // what the two clocks differ.
        assert!(since.elapsed() + Duration::from_millis(1) >= spent);

        let (effort, since) = (Effort::begin(), Instant::now());
        while since.elapsed() < Duration::from_millis(50) {
            // Away from the processor, as while others have it.
            thread::park_timeout(Duration::from_millis(10));
        }
        assert!(effort.spent() < Duration::from_millis(25), "{effort:?}");
    }
}
