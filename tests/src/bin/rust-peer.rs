//! Takes part in a call with synthetic media, and tells every second how it goes.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use e2e::{
    peer::{Peer, PeerOptions, Source},
    seen::{Received, Seen},
    signal::Heard,
};
use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{interval, sleep},
};

/// A participant on the `webrtc` crate.
#[derive(Debug, Parser)]
#[command(name = "rust-peer")]
struct Arguments {
    /// The server, such as ws://127.0.0.1:7880.
    #[arg(long)]
    url: String,
    /// A token that lets us in.
    #[arg(long)]
    token: String,
    /// What to publish, separated by commas.
    #[arg(long, value_delimiter = ',')]
    publish: Vec<Publish>,
    /// Leave after this many seconds; stay until told to end if 0.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Publish {
    Audio,
    Video,
}

/// One line of output.
#[derive(Debug, Serialize)]
struct Report<'a> {
    identity: &'a str,
    participants: usize,
    tracks_in: usize,
    packets_in: u64,
    lost: u64,
    gaps: u64,
    duplicates: u64,
    frames: u64,
    keyframes: u64,
    keyframe_requests: u64,
    packets_out: u64,
    messages: usize,
    errors: &'a [String],
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let publish = arguments.publish.iter().map(|publish| match publish {
        Publish::Audio => Source::Microphone,
        Publish::Video => Source::Camera,
    });
    let options = PeerOptions {
        publish: publish.collect(),
        ..PeerOptions::default()
    };
    let peer = Peer::join(&arguments.url, &arguments.token, options).await?;

    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut tick = interval(Duration::from_secs(1));
    let end = async {
        match arguments.seconds {
            0 => std::future::pending().await,
            seconds => sleep(Duration::from_secs(seconds)).await,
        }
    };
    tokio::pin!(end);
    loop {
        // Ends come first: a line more or less matters to nobody.
        tokio::select! {
            biased;
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
            () = &mut end => break,
            _ = tick.tick() => print(&peer.seen())?,
        }
        if peer.seen().end.is_some() {
            break;
        }
    }
    let seen = match peer.seen().end {
        Some(_) => peer.ended().await?,
        None => peer.leave().await?,
    };
    print(&seen)?;
    Ok(verdict(&seen))
}

/// A clean end is one that somebody said goodbye to and then closed in order.
fn verdict(seen: &Seen) -> ExitCode {
    match &seen.end {
        Some(Heard::Closed(_)) => ExitCode::SUCCESS,
        Some(Heard::Broken(_)) if seen.leave.is_some() => ExitCode::SUCCESS,
        Some(Heard::Broken(_) | Heard::Response(_) | Heard::Unknown) | None => ExitCode::FAILURE,
    }
}

fn print(seen: &Seen) -> Result<()> {
    let sum = |count: fn(&Received) -> u64| seen.tracks.values().map(count).sum();
    let report = Report {
        identity: &seen.own.identity,
        participants: seen.others.len(),
        tracks_in: seen
            .tracks
            .values()
            .filter(|track| track.tally.packets > 0)
            .count(),
        packets_in: seen.packets(),
        lost: seen.lost(),
        gaps: sum(|track| track.tally.gaps),
        duplicates: sum(|track| track.tally.duplicates),
        frames: sum(|track| track.tally.frames),
        keyframes: sum(|track| track.tally.keyframes),
        keyframe_requests: seen.keyframe_requests,
        packets_out: seen.sent,
        messages: seen.messages.len(),
        errors: &seen.errors,
    };
    let line = serde_json::to_string(&report)?;
    writeln!(io::stdout().lock(), "{line}").context("nobody reads what we print")
}
