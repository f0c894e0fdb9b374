//! A participant on the `webrtc` crate, in a process of its own: it knows nothing of how
//! we measure, and must come to the same verdict.

use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use livekit_protocol::{TrackType, UpdateTrackSettings};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::participant::number_of;
use crate::{
    peer::{Peer, PeerOptions},
    seen::{Received, Seen},
    signal::Request,
    tokens,
};

/// What it saw so far; one line of its output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Tracks that media arrived on.
    pub tracks: usize,
    /// Packets.
    pub packets: u64,
    /// Packets that are missing.
    pub lost: u64,
    /// How often the numbers skipped.
    pub gaps: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Pictures and sounds.
    pub frames: u64,
    /// Whether it is still in.
    pub over: bool,
    /// What went wrong.
    pub errors: Vec<String>,
}

impl Sight {
    /// What was seen since an earlier line; the tracks as they are now.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            lost: self.lost.saturating_sub(before.lost),
            gaps: self.gaps.saturating_sub(before.gaps),
            duplicates: self.duplicates.saturating_sub(before.duplicates),
            frames: self.frames.saturating_sub(before.frames),
            ..self.clone()
        }
    }

    /// Whether it has nothing to complain about.
    pub fn agrees(&self, tracks: usize) -> bool {
        self.tracks == tracks && (self.lost, self.gaps, self.duplicates) == (0, 0, 0) && !self.over
    }

    fn of(seen: &Seen) -> Self {
        let sum = |count: fn(&Received) -> u64| seen.tracks.values().map(count).sum();
        Self {
            tracks: seen
                .tracks
                .values()
                .filter(|track| track.tally.packets > 0)
                .count(),
            packets: seen.packets(),
            lost: seen.lost(),
            gaps: sum(|track| track.tally.gaps),
            duplicates: sum(|track| track.tally.duplicates),
            frames: sum(|track| track.tally.frames),
            over: seen.end.is_some(),
            errors: seen.errors.clone(),
        }
    }
}

/// Such a process; it ends when dropped.
#[derive(Debug)]
pub struct Confirming {
    child: Child,
    newest: Newest,
}

/// Written by a thread that reads the process's output, read by the run: neither owns
/// the other.
type Newest = Arc<Mutex<Sight>>;

impl Confirming {
    /// Starts this program once more, as a participant of the given name.
    pub fn start(url: &str, token: &str, watch: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["confirm", "--url", url, "--watch", &watch.to_string()])
            // Not among the arguments: everybody may read those.
            .env(TOKEN, token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let newest = Newest::default();
        let written = Arc::clone(&newest);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(sight) = serde_json::from_str(&line) {
                    *written.lock().unwrap_or_else(PoisonError::into_inner) = sight;
                }
            }
        });
        Ok(Self { child, newest })
    }

    /// What it said last.
    pub fn sight(&self) -> Sight {
        let newest = self.newest.lock();
        newest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Confirming {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the process finds its token.
pub const TOKEN: &str = "LOAD_CONFIRM_TOKEN";
/// How often it tells.
const TELL: Duration = Duration::from_millis(200);

/// A token for such a participant.
pub fn token(room: &str, number: usize, key: &str, secret: &str) -> Result<String> {
    let mut claims = tokens::claims(room, &format!("confirming {number}"));
    claims["iss"] = key.into();
    tokens::sign(&claims, secret)
}

/// The process itself: takes part until it is ended, watching the pictures of the first
/// `watch` publishers.
pub async fn take_part(url: &str, token: &str, watch: usize) -> Result<()> {
    let peer = Peer::join(url, token, PeerOptions::default()).await?;
    let mut settled = HashSet::new();
    let mut tick = interval(TELL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let seen = peer.seen();
        for other in seen.others.values() {
            let unwatched = number_of(&other.identity).is_some_and(|number| number >= watch);
            let video = other
                .tracks
                .iter()
                .filter(|track| track.r#type == TrackType::Video as i32);
            for track in video.filter(|_| unwatched) {
                if settled.insert(track.sid.clone()) {
                    peer.request(Request::TrackSetting(UpdateTrackSettings {
                        track_sids: vec![track.sid.clone()],
                        disabled: true,
                        ..UpdateTrackSettings::default()
                    }))?;
                }
            }
        }
        let sight = Sight::of(&seen);
        let line = serde_json::to_string(&sight)?;
        writeln!(io::stdout().lock(), "{line}").context("nobody reads what we print")?;
        if sight.over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_only_with_all_tracks_and_no_gap() {
        let good = Sight {
            tracks: 2,
            packets: 10,
            ..Sight::default()
        };
        assert!(good.agrees(2));
        assert!(!good.agrees(3));
        for bad in [
            Sight {
                gaps: 1,
                ..good.clone()
            },
            Sight {
                duplicates: 1,
                ..good.clone()
            },
            Sight {
                over: true,
                ..good.clone()
            },
        ] {
            assert!(!bad.agrees(2));
        }
        let later = Sight {
            packets: 15,
            gaps: 1,
            ..good.clone()
        };
        let between = later.since(&good);
        assert_eq!((between.packets, between.gaps, between.tracks), (5, 1, 2));
    }
}
