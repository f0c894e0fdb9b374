//! A node in this process whose one shard the caller drives, some publishers and many
//! subscribers in a room of it, all joined and seeing each other.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use edge_worker::{Assembly, Config, Shard, assemble, serve};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::JoinSet,
};

use super::{
    camera::{Camera, Frame, Picture},
    clock,
    readers::Readers,
    seat::{House, Role, Seat},
};
use crate::load::client::{handshake::Dtls, inbox::Coalescing};

/// Everything on it.
#[derive(Debug)]
pub struct Stage {
    /// Read the subscribers' sockets.
    pub readers: Readers,
    /// Where the subscribers are.
    pub addresses: Vec<SocketAddr>,
    shard: Shard,
    cameras: Vec<Camera>,
    subscribers: Vec<Seat>,
    /// The shard's time. It passes by rests, not by the wall: where all runs slowly, as under
    /// callgrind, those who joined first would else be taken for gone before the last are in.
    now: Instant,
    frames: usize,
    /// Between two frames of any track, but for the shard's own wait.
    interval: Duration,
    /// Runs the node's listeners and the clients' signalling.
    _runtime: Runtime,
    /// The listeners end with it.
    _stop: tokio::sync::watch::Sender<bool>,
}

/// How large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Who only watches.
    pub subscribers: usize,
    /// Publishers with a track each.
    pub tracks: usize,
    /// How subscribers receive.
    pub coalescing: Coalescing,
}

/// 30 frames a second of each track.
const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
/// Longer than a shard ever waits for company of a packet.
const TICK: Duration = Duration::from_millis(5);
/// Well before a node takes a silent client for gone.
const CHECK_AFTER: usize = 300;
/// Joining at the same time.
const AT_ONCE: usize = 8;
const JOIN_LIMIT: Duration = Duration::from_secs(600);
const REST: Duration = Duration::from_micros(200);

impl Stage {
    /// Starts the node and has everybody join.
    pub fn set(size: Size) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut config = Config::dev()?;
        config.http = free_tcp()?;
        config.admin = free_tcp()?;
        config.rtc.sockets = vec![free_udp()?];
        config.rtc.tcp = None;
        config.rtc.tcp_public_ports.clear();
        let house = House {
            url: format!("ws://{}", config.http),
            dtls: Dtls::new()?,
            coalescing: size.coalescing,
        };
        let Assembly {
            node,
            mut shards,
            stop,
            ..
        } = assemble(config)?;
        let mut listeners = runtime.block_on(serve(&node))?;
        runtime.spawn(async move { while listeners.join_next().await.is_some() {} });
        let mut shard = shards.pop().context("a node without a shard")?;
        shard.leave_nothing_out();
        let joining = runtime.spawn(join_all(house, size));
        let mut now = Instant::now();
        let until = now + JOIN_LIMIT;
        while !joining.is_finished() {
            ensure!(Instant::now() < until, "joining takes too long");
            if !shard.turn(now) {
                now += REST;
                thread::sleep(REST);
            }
        }
        let (cameras, seats) = runtime.block_on(joining)??;
        let (subscribers, inlets): (Vec<_>, Vec<_>) = seats.into_iter().unzip();
        let mut stage = Self {
            readers: Readers::start(inlets),
            addresses: subscribers.iter().map(|seat| seat.address).collect(),
            shard,
            cameras,
            subscribers,
            now,
            frames: 0,
            interval: (FRAME_INTERVAL / size.tracks.max(1) as u32).max(TICK),
            _runtime: runtime,
            _stop: stop,
        };
        stage.raise(size)?;
        Ok(stage)
    }

    /// Plays until everybody sees everything, and has everybody say so.
    fn raise(&mut self, size: Size) -> Result<()> {
        let wanted = (size.subscribers * size.tracks) as u64;
        let frame = Frame {
            packets: 1,
            bytes: 200,
        };
        self.check()?;
        let until = Instant::now() + JOIN_LIMIT;
        while self.readers.streams() < wanted {
            ensure!(Instant::now() < until, "some streams never come");
            for camera in &mut self.cameras {
                camera.send(frame, Picture::Key)?;
            }
            for _ in 0..100 {
                self.now += REST;
                while self.shard.turn(self.now) {}
                thread::sleep(REST);
            }
        }
        let readers = std::mem::replace(&mut self.readers, Readers::start(Vec::new()));
        let (inlets, streams) = readers.stop();
        self.readers = Readers::start(inlets);
        for (seat, streams) in self.subscribers.iter_mut().zip(streams) {
            seat.report(&streams)?;
            self.shard.turn(self.now);
        }
        for camera in &mut self.cameras {
            camera.report()?;
        }
        self.turns(self.now);
        self.now += FRAME_INTERVAL;
        Ok(())
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.subscribers.len()
    }

    /// Has one publisher after the other send a frame, and lets the shard forward it; so
    /// much of the thread's processor time did the shard take.
    pub fn forward(&mut self, frame: Frame) -> Result<Duration> {
        self.now += self.interval;
        self.send(frame)?;
        let now = self.now;
        Ok(clock::timed(|| self.turns(now)))
    }

    /// Has the next publisher send a frame; it waits at the shard's socket.
    pub fn send(&mut self, frame: Frame) -> Result<()> {
        self.frames += 1;
        if self.frames.is_multiple_of(CHECK_AFTER) {
            self.check()?;
        }
        let next = self.frames % self.cameras.len();
        self.cameras[next].send(frame, Picture::Inter)
    }

    /// Lets the shard do what is due, so that its next turns only forward what comes.
    pub fn clear(&mut self) {
        self.now += self.interval;
        self.turns(self.now);
        self.now += TICK;
    }

    /// Lets the shard take in what waits and send it all.
    pub fn take_turns(&mut self) {
        self.turns(self.now);
    }

    fn turns(&mut self, now: Instant) {
        while self.shard.turn(now) {}
        while self.shard.turn(now + TICK) {}
    }

    /// Everybody proves to be there.
    fn check(&mut self) -> Result<()> {
        let cameras = self.cameras.iter().map(|camera| &camera.seat);
        for (number, seat) in cameras.chain(&self.subscribers).enumerate() {
            seat.check()?;
            if number % 64 == 63 {
                while self.shard.turn(self.now) {}
            }
        }
        self.turns(self.now);
        Ok(())
    }
}

type Joined = (Vec<Camera>, Vec<(Seat, batch::Socket)>);

async fn join_all(house: House, size: Size) -> Result<Joined> {
    let cameras = join(&house, "publisher", size.tracks, Role::Publisher).await?;
    let role = Role::Subscriber {
        tracks: size.tracks,
    };
    let subscribers = join(&house, "subscriber", size.subscribers, role).await?;
    // Publishers receive nothing, so nobody reads what they receive.
    let cameras = cameras.into_iter().map(|(seat, _)| Camera::new(seat));
    Ok((cameras.collect(), subscribers))
}

async fn join(
    house: &House,
    name: &str,
    count: usize,
    role: Role,
) -> Result<Vec<(Seat, batch::Socket)>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut joining = JoinSet::new();
    for number in 0..count {
        let (house, places) = (house.clone(), Arc::clone(&places));
        let identity = format!("{name}-{number}");
        joining.spawn(async move {
            let _place = places.acquire().await;
            Seat::join(&house, "bench", &identity, role).await
        });
    }
    let mut seats = Vec::with_capacity(count);
    while let Some(joined) = joining.join_next().await {
        let (mut seat, inlet) = joined??;
        tokio::spawn(Seat::attend(seat.take_signal()));
        seats.push((seat, inlet));
    }
    Ok(seats)
}

fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
