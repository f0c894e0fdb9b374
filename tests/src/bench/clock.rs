//! The calling thread's processor time: what others on the machine do is not in it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Since the thread began, in its code and in the kernel on its behalf.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What `work` takes of it.
pub fn timed(work: impl FnOnce()) -> Duration {
    let before = processor_time();
    work();
    processor_time().saturating_sub(before)
}
