//! A link that is carried: two devices, and between them a way of its own for each who shares them.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tun_rs::SyncDevice;

use super::{
    emulator::{
        Emulator,
        nat::{Nat, Passage},
    },
    report::Row,
    wish::{Both, Way},
};

/// A link that is to be carried.
#[derive(Debug)]
pub struct Line {
    /// The end at the hub; of a line between clients the first's.
    pub hub: Device,
    /// The end in the client's namespace; of a line between clients the second's.
    pub client: Device,
    lanes: Vec<Lane>,
    sharing: Sharing,
    /// When which of the lanes has something to deliver.
    agenda: BTreeSet<(Instant, usize)>,
}

/// Both directions of one client's link, as a network of its own.
#[derive(Debug)]
pub struct Lane {
    /// Whose.
    pub name: String,
    down: Emulator,
    up: Emulator,
    /// At the hub's end.
    nat: Nat,
    /// As the agenda has it.
    due: Option<Instant>,
}

/// Who is behind a line.
#[derive(Clone, Copy, Debug)]
pub enum Sharing {
    /// One, whatever addresses its packets have.
    Alone,
    /// Many: this address has the first lane, the next one the second.
    From(Ipv4Addr),
}

/// A TUN device: what the kernel sends there we read, what we write there the kernel receives.
pub struct Device(pub SyncDevice);

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Device").field(&self.0.name()).finish()
    }
}

/// Packets read from one device before the next has its turn.
const TURN: usize = 64;
/// A device's largest packet, and room to see that one was larger.
const LONGEST: usize = 2_048;

impl Line {
    /// Joins two devices.
    pub fn new(hub: Device, client: Device, lanes: Vec<Lane>, sharing: Sharing) -> Self {
        Self {
            hub,
            client,
            lanes,
            sharing,
            agenda: BTreeSet::new(),
        }
    }

    /// Takes what comes, and delivers what is due.
    pub fn carry(&mut self) {
        let mut packet = [0; LONGEST];
        for _ in 0..TURN {
            // Empty, or gone with its namespace: either way there is nothing to carry.
            let Ok(length) = self.hub.0.recv(&mut packet) else {
                break;
            };
            let packet = &mut packet[..length];
            if let Some(place) = self.place(packet, DESTINATION) {
                self.lanes[place].take_down(Instant::now(), packet);
                self.note(place);
            }
        }
        for _ in 0..TURN {
            let Ok(length) = self.client.0.recv(&mut packet) else {
                break;
            };
            let packet = &packet[..length];
            if let Some(place) = self.place(packet, SOURCE) {
                self.lanes[place].up.send(Instant::now(), packet.to_vec());
                self.note(place);
            }
        }
        let now = Instant::now();
        while let Some((at, place)) = self.agenda.first().copied()
            && at <= now
        {
            self.lanes[place].give(now, &self.hub, &self.client);
            self.note(place);
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Everybody behind it.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// Changes the networks of some, and says who they are.
    pub fn change<E>(
        &mut self,
        now: Instant,
        mut change: impl FnMut(&str, &mut Both) -> Result<(), E>,
    ) -> Result<(), E> {
        for place in 0..self.lanes.len() {
            let lane = &mut self.lanes[place];
            let mut both = lane.both();
            change(&lane.name, &mut both)?;
            if both != lane.both() {
                lane.change(now, both);
                self.note(place);
            }
        }
        Ok(())
    }

    /// Whose a packet is, by one of its addresses.
    fn place(&self, packet: &[u8], address_at: usize) -> Option<usize> {
        let first = match self.sharing {
            Sharing::Alone => return Some(0),
            Sharing::From(first) => u32::from(first),
        };
        let address = packet.get(address_at..)?.first_chunk::<4>()?;
        let place = u32::from_be_bytes(*address).checked_sub(first)? as usize;
        (place < self.lanes.len()).then_some(place)
    }

    /// Notes when a lane has something to deliver.
    fn note(&mut self, place: usize) {
        let lane = &mut self.lanes[place];
        let due = lane.deadline();
        if due == lane.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut lane.due, due) {
            self.agenda.remove(&(before, place));
        }
        if let Some(due) = due {
            self.agenda.insert((due, place));
        }
    }
}

/// Where the addresses of an IPv4 packet are.
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

impl Lane {
    /// One of these networks.
    pub fn new(
        name: String,
        now: Instant,
        down: Emulator,
        up: Emulator,
        rebind: Option<Duration>,
    ) -> Self {
        let mut nat = Nat::default();
        nat.change(now, rebind);
        Self {
            name,
            down,
            up,
            nat,
            due: None,
        }
    }

    /// What became of its packets.
    pub fn rows(&self) -> [Row; 2] {
        [
            Row::of(&self.name, Way::Down, &self.down),
            Row::of(&self.name, Way::Up, &self.up),
        ]
    }

    fn both(&self) -> Both {
        Both {
            down: self.down.conditions().clone(),
            up: self.up.conditions().clone(),
            rebind: self.nat.every(),
        }
    }

    fn change(&mut self, now: Instant, both: Both) {
        self.down.change(now, both.down);
        self.up.change(now, both.up);
        self.nat.change(now, both.rebind);
    }

    fn deadline(&self) -> Option<Instant> {
        let both = [self.down.deadline(), self.up.deadline()];
        both.into_iter().flatten().min()
    }

    fn take_down(&mut self, now: Instant, packet: &mut [u8]) {
        match self.nat.back(now, packet) {
            Passage::Open => self.down.send(now, packet.to_vec()),
            Passage::Unknown => self.down.lead_nowhere(packet),
        }
    }

    fn give(&mut self, now: Instant, hub: &Device, client: &Device) {
        while let Some(packet) = self.down.receive(now) {
            if client.0.send(&packet).is_err() {
                self.down.refused(&packet);
            }
        }
        while let Some(mut packet) = self.up.receive(now) {
            self.nat.out(now, &mut packet);
            if hub.0.send(&packet).is_err() {
                self.up.refused(&packet);
            }
        }
    }
}
