//! The network lab: clients in network namespaces of their own, each joined to this machine's own
//! namespace, the hub, by a link that behaves like a network we choose. Two clients can have a
//! line of their own besides.
//!
//! A [`Lab`] makes the namespaces and devices, the [`carrier`] carries packets through the pure
//! [`emulator`], the [`guard`] removes everything at the end, however that comes. `netem` is not
//! in every kernel; this needs `/dev/net/tun`, `ip` and root.

pub mod carrier;
pub mod control;
pub mod crowd;
pub mod emulator;
pub mod guard;
pub mod line;
pub mod measure;
pub mod namespace;
pub mod network;
pub mod play;
pub mod report;
pub mod wish;

use std::{
    fs,
    net::Ipv4Addr,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::Path,
    process,
    sync::OnceLock,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use tun_rs::DeviceBuilder;

use self::{
    carrier::Carrier,
    emulator::Emulator,
    guard::Guard,
    line::{Device, Lane, Line, Sharing},
    namespace::ip,
    report::Row,
    wish::{Both, Way, Wish},
};

/// A lab that runs; dropping it removes everything it made.
#[derive(Debug)]
pub struct Lab {
    // In the order they must go: devices, then namespaces, then the claim on their names.
    carrier: Carrier,
    guard: Guard,
    claim: UnixListener,
    number: u8,
    seed: u64,
    clients: Vec<Client>,
    trunks: Vec<Trunk>,
}

/// A line from one client to another, past the hub.
#[derive(Clone, Debug, Serialize)]
pub struct Trunk {
    /// As it was asked for.
    pub name: String,
    /// The addresses of its ends, in the order the clients were named: `down` leads to the second.
    pub addresses: [Ipv4Addr; 2],
}

/// A client's place in the lab.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// As it was asked for.
    pub name: String,
    /// Its network namespace.
    pub namespace: String,
    /// Its address there.
    pub address: Ipv4Addr,
    /// This machine's address as the client reaches it.
    pub hub: Ipv4Addr,
}

/// Many clients in one place in the lab, each with an address and a link of its own.
#[derive(Clone, Debug, Serialize)]
pub struct Crowd {
    /// Their network namespace.
    pub namespace: String,
    /// The address of the first; the next one has the next. Programs bind to them.
    pub first: Ipv4Addr,
    /// This machine's address as all of them reach it.
    pub hub: Ipv4Addr,
}

/// Labs at the same time, and clients of one.
const MAX_LABS: u8 = 64;
const MAX_CLIENTS: usize = 200;
/// Clients that share a place.
const MAX_CROWD: usize = 10_000;
/// Lines between clients.
const MAX_TRUNKS: usize = 100;
/// Of a client's name: devices and namespaces have short names.
const MAX_NAME: usize = 16;
/// What a client calls its end of the link.
const DEVICE: &str = "link0";
/// No link-local addresses: nothing is on the link but what is meant to be.
const QUIET: &[&str] = &["mtu", "1500", "addrgenmode", "none"];

/// Why no lab can be had here, if none can. It is tried once.
pub fn missing() -> Option<&'static str> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    WHY.get_or_init(lacking).as_deref()
}

fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the network lab needs root".to_owned());
    }
    if let Err(error) = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
    {
        return Some(format!("the network lab needs /dev/net/tun: {error}"));
    }
    // The kernel or a container may still forbid what root asks for.
    let name = format!("lab-try-{}", process::id());
    let tried = ip(&["netns", "add", &name])
        .and_then(|_| ip(&["netns", "exec", &name, "ip", "link", "set", "lo", "up"]))
        .and_then(|_| Ok(DeviceBuilder::new().inherit_enable_state().build_sync()?));
    if Path::new("/run/netns").join(&name).exists() {
        // What is left would only be an empty namespace.
        let _ = ip(&["netns", "delete", &name]);
    }
    let error = tried.err()?;
    Some(format!("the network lab can't be built here: {error:#}"))
}

impl Lab {
    /// A lab without clients. Equal seeds have equal luck.
    pub fn start(seed: u64) -> Result<Self> {
        let (number, claim) = claim()?;
        Ok(Self {
            carrier: Carrier::start()?,
            guard: Guard::start()?,
            claim,
            number,
            seed,
            clients: Vec::new(),
            trunks: Vec::new(),
        })
    }

    /// This machine's address as every client reaches it.
    pub fn hub(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// Which of the labs on this machine it is.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Where [`control`] listens.
    pub fn socket(&self) -> &UnixListener {
        &self.claim
    }

    /// A new client behind a link that is as `wishes` say.
    pub fn add(&mut self, name: &str, wishes: &[Wish]) -> Result<Client> {
        self.check_name(name)?;
        ensure!(self.clients.len() < MAX_CLIENTS, "the lab is full");
        let place = 2 + u8::try_from(self.clients.len()).context("the lab is full")?;
        let client = Client {
            name: name.to_owned(),
            // The process's number keeps it apart from what an earlier lab's guard still removes.
            namespace: format!("lab{}-{}-{name}", self.number, process::id()),
            address: self.address(place),
            hub: self.hub(),
        };
        self.guard.watch(&client.namespace)?;
        let (hub, far) = join(&client, &format!("lab{}-{place}", self.number))?;
        self.carry(name, hub, far, wishes)?;
        self.clients.push(client.clone());
        Ok(client)
    }

    /// A crowd of new clients, each behind the link that its wishes say; one crowd is in a lab.
    pub fn gather(&mut self, name: &str, links: &[Vec<Wish>]) -> Result<Crowd> {
        self.check_name(name)?;
        ensure!(links.len() <= MAX_CROWD, "{MAX_CROWD} at most are a crowd");
        let place = 2 + u8::try_from(self.clients.len()).context("the lab is full")?;
        let client = Client {
            name: name.to_owned(),
            namespace: format!("lab{}-{}-{name}", self.number, process::id()),
            address: self.address(place),
            hub: self.hub(),
        };
        self.guard.watch(&client.namespace)?;
        let device = format!("lab{}-{place}", self.number);
        let (hub, far) = join(&client, &device)?;
        // The block of those behind the NATs of mobile networks (RFC 6598).
        let block = format!("100.{}.0.0/16", 64 + self.number);
        let first = Ipv4Addr::new(100, 64 + self.number, 1, 0);
        ip(&[
            "route",
            "add",
            &block,
            "dev",
            &device,
            "src",
            &self.hub().to_string(),
        ])?;
        ip(&[
            "-n",
            &client.namespace,
            "route",
            "add",
            "local",
            &block,
            "dev",
            "lo",
        ])?;
        let mut lanes = Vec::new();
        for (number, wishes) in links.iter().enumerate() {
            let mut both = Both::default();
            wishes.iter().try_for_each(|wish| wish.apply(&mut both))?;
            lanes.push(self.lane(&format!("{name}-{number}"), both));
        }
        self.carrier
            .carry(Line::new(hub, far, lanes, Sharing::From(first)))?;
        let crowd = Crowd {
            namespace: client.namespace.clone(),
            first,
            hub: client.hub,
        };
        self.clients.push(client);
        Ok(crowd)
    }

    /// A new line between two clients, which have been added before.
    pub fn connect(&mut self, name: &str, ends: [&str; 2], wishes: &[Wish]) -> Result<Trunk> {
        self.check_name(name)?;
        ensure!(self.trunks.len() < MAX_TRUNKS, "the lab is full");
        let place = u8::try_from(self.trunks.len()).context("the lab is full")?;
        let addresses =
            [2 * place, 2 * place + 1].map(|host| Ipv4Addr::new(198, 19, self.number, host));
        let mut devices = Vec::new();
        for (end, client) in ends.into_iter().enumerate() {
            let found = self.clients.iter().find(|known| known.name == client);
            let client = found.with_context(|| format!("nobody here is called {client:?}"))?;
            let here = format!("lab{}t{place}{}", self.number, ["a", "b"][end]);
            let there = format!("trunk{place}");
            let device = move_in(&client.namespace, &here, &there)?;
            set_up(
                &client.namespace,
                &there,
                [addresses[end], addresses[1 - end]],
            )?;
            devices.push(device);
        }
        let [one, other] = <[Device; 2]>::try_from(devices).expect("one for each end");
        self.carry(name, one, other, wishes)?;
        let trunk = Trunk {
            name: name.to_owned(),
            addresses,
        };
        self.trunks.push(trunk.clone());
        Ok(trunk)
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let plain = !name.is_empty()
            && name.len() <= MAX_NAME
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        ensure!(
            plain && !["down", "up"].contains(&name),
            "{name:?} is no name for a client: a-z, 0-9 and -, {MAX_NAME} at most, not down or up"
        );
        let clients = self.clients.iter().map(|client| &client.name);
        let mut names = clients.chain(self.trunks.iter().map(|trunk| &trunk.name));
        ensure!(names.all(|known| known != name), "{name} is here already");
        Ok(())
    }

    /// Begins to carry packets between two devices as `wishes` say.
    fn carry(&self, name: &str, hub: Device, client: Device, wishes: &[Wish]) -> Result<()> {
        let mut both = Both::default();
        for wish in wishes.iter().filter(|wish| wish.is_for(name)) {
            wish.apply(&mut both)?;
        }
        let lane = self.lane(name, both);
        self.carrier
            .carry(Line::new(hub, client, vec![lane], Sharing::Alone))
    }

    fn lane(&self, name: &str, both: Both) -> Lane {
        let emulator = |way, conditions| {
            Emulator::new(conditions, StdRng::seed_from_u64(self.seed_of(name, way)))
        };
        let down = emulator(Way::Down, both.down);
        let up = emulator(Way::Up, both.up);
        Lane::new(name.to_owned(), Instant::now(), down, up, both.rebind)
    }

    /// Changes links.
    pub fn change(&self, wishes: Vec<Wish>) -> Result<()> {
        self.carrier.change(wishes)
    }

    /// What became of all packets so far.
    pub fn report(&self) -> Result<Vec<Row>> {
        self.carrier.tell()
    }

    /// Ends everything in it and removes it, and says if that failed.
    pub fn close(self) -> Result<()> {
        let Self {
            carrier, mut guard, ..
        } = self;
        drop(carrier);
        guard.finish()
    }

    /// Of the block that is set aside for tests of networks (RFC 2544).
    fn address(&self, place: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, place)
    }

    /// Neither who came first nor the other direction changes a link's luck.
    fn seed_of(&self, name: &str, way: Way) -> u64 {
        let word = format!("{name} {}", way.word());
        // FNV-1a: spreads short words well enough.
        word.bytes()
            .fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            })
    }
}

/// Where a lab of this number listens; the name is free again as soon as its process ends.
pub fn socket_name(number: u8) -> Result<SocketAddr> {
    Ok(SocketAddr::from_abstract_name(format!(
        "edge-lab-{number}"
    ))?)
}

/// A number that no other lab has.
fn claim() -> Result<(u8, UnixListener)> {
    for number in 0..MAX_LABS {
        if let Ok(claim) = UnixListener::bind_addr(&socket_name(number)?) {
            return Ok((number, claim));
        }
    }
    anyhow::bail!("{MAX_LABS} labs run already")
}

/// Makes the client's namespace and joins it to ours by two devices.
fn join(client: &Client, device: &str) -> Result<(Device, Device)> {
    let Client { namespace, .. } = client;
    let (address, hub) = (client.address.to_string(), client.hub.to_string());
    let here = tun(device)?;
    ip(&["netns", "add", namespace])?;
    let there = move_in(namespace, &format!("{device}c"), DEVICE)?;
    ip(&["address", "add", &hub, "peer", &address, "dev", device])?;
    ip(&[&["link", "set", device], QUIET].concat())?;
    ip(&["link", "set", device, "up"])?;

    let inside = |arguments: &[&str]| ip(&[&["-n", namespace], arguments].concat());
    inside(&["link", "set", "lo", "up"])?;
    set_up(namespace, DEVICE, [client.address, client.hub])?;
    inside(&["route", "add", "default", "via", &hub, "dev", DEVICE])?;
    Ok((here, there))
}

/// Makes a device that a namespace has as `name`.
fn move_in(namespace: &str, made_as: &str, name: &str) -> Result<Device> {
    let device = tun(made_as)?;
    ip(&["link", "set", made_as, "netns", namespace, "name", name])?;
    Ok(device)
}

/// Gives a device in a namespace its address and that of the other end.
fn set_up(namespace: &str, device: &str, [own, other]: [Ipv4Addr; 2]) -> Result<()> {
    let inside = |arguments: &[&str]| ip(&[&["-n", namespace], arguments].concat());
    let (own, other) = (own.to_string(), other.to_string());
    inside(&["address", "add", &own, "peer", &other, "dev", device])?;
    inside(&[&["link", "set", device], QUIET].concat())?;
    inside(&["link", "set", device, "up"])?;
    Ok(())
}

fn tun(name: &str) -> Result<Device> {
    let device = DeviceBuilder::new()
        .name(name)
        .inherit_enable_state()
        .build_sync()
        .with_context(|| format!("the device {name} can't be made"))?;
    device.set_nonblocking(true)?;
    Ok(Device(device))
}
