//! Divides a link between videos, knowing nothing of what was before: screens first,
//! then a picture of everybody, then better pictures in turn.

use media::Bitrate;

use super::{Pausing, Video};

/// A number of a rung for each video; `None` pauses it.
pub(super) type Shares = Vec<Option<usize>>;

/// What each of `videos`, the most important first, should be sent as. Pictures fill
/// `budget`; better ones than the least only up to `comfort`.
pub(super) fn share(
    videos: &[Video],
    (budget, comfort): (Bitrate, Bitrate),
    pausing: Pausing,
) -> Shares {
    let mut left = Left {
        used: Bitrate::ZERO,
        budget,
        comfort,
    };
    let mut shares: Shares = vec![None; videos.len()];
    let screens = || videos.iter().enumerate().filter(|(_, video)| video.first);
    for (index, video) in screens() {
        shares[index] = left.start(video, pausing);
        while left.raise(video, &mut shares[index]) {}
    }
    for (index, video) in videos.iter().enumerate().filter(|(_, video)| !video.first) {
        shares[index] = left.start(video, pausing);
    }
    loop {
        let mut raised = false;
        for (video, share) in videos.iter().zip(&mut shares) {
            raised |= left.raise(video, share);
        }
        if !raised {
            return shares;
        }
    }
}

struct Left {
    used: Bitrate,
    budget: Bitrate,
    comfort: Bitrate,
}

impl Left {
    /// The least of a video, if it fits or has to.
    fn start(&mut self, video: &Video, pausing: Pausing) -> Option<usize> {
        let used = self.used.0 + video.ladder.rate(Some(0)).0;
        if used > self.budget.0 && pausing == Pausing::Allowed {
            return None;
        }
        self.used.0 = used;
        Some(0)
    }

    /// Makes a video one step better if that fits.
    fn raise(&mut self, video: &Video, share: &mut Option<usize>) -> bool {
        let Some(next) = share
            .filter(|now| *now < video.ladder.top())
            .map(|now| now + 1)
        else {
            return false;
        };
        let used = self.used.0 + video.ladder.rate(Some(next)).0 - video.ladder.rate(*share).0;
        if used > self.comfort.0 {
            return false;
        }
        self.used.0 = used;
        *share = Some(next);
        true
    }
}
