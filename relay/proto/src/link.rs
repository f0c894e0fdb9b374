//! One end of a link: routes what comes to those who understand it, and orders what leaves.
//!
//! It computes nothing itself: numbers and repairs are [`Ring`]'s and [`Arrivals`]', order and
//! shedding [`Scheduler`]'s, the pace [`Pacer`]'s, health [`Pulse`]'s.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::Bitrate;

use crate::arrivals::{Arrival, Arrivals, Patience};
use crate::frame::{Copy, FlowId, Frame, FrameError, Lane, LinkSeq, Media, Missing};
use crate::heartbeat::{Health, Pulse};
use crate::pacer::Pacer;
use crate::repetition::{Active, Repetition};
use crate::ring::{Refusal, Ring};
use crate::scheduler::{Class, Load, Queued, RoomKey, Scheduler, Shed};

/// One end of a link between two nodes: two lanes and what they share.
#[derive(Debug)]
pub struct Link {
    control: End,
    video: End,
    scheduler: Scheduler,
    repetition: Repetition,
    /// Requests and answers to them that wait to be sent, on the control lane.
    own: Vec<Frame>,
    asked: Vec<LinkSeq>,
    counts: Counts,
}

/// One lane, as one end sees it.
#[derive(Debug)]
struct End {
    ring: Ring,
    arrivals: Arrivals,
    pulse: Pulse,
    pacer: Pacer,
    /// Something waits for the pacer.
    held_back: bool,
}

/// What a datagram was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    /// A packet for the room, for the first time.
    Media(Media),
    /// Something between the two ends, dealt with.
    Own,
    /// A packet that came before.
    Double,
    /// A number that cannot be: left out.
    OutOfWindow,
}

/// What crossed, as metrics count it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Packets sent for the first time, and their bytes.
    pub originals: u64,
    /// As above.
    pub original_bytes: u64,
    /// Packets sent again because they were asked for, and their bytes.
    pub repairs: u64,
    /// As above.
    pub repair_bytes: u64,
    /// Bytes of sound sent again unasked.
    pub repeated_bytes: u64,
    /// Requests that were not met, because repairs had taken their share.
    pub over_budget: u64,
    /// Requests for what is gone.
    pub gone: u64,
    /// What left, by class; repairs and repetitions have their own.
    pub left: [Crossed; Class::ALL.len()],
    /// What came for the first time.
    pub came: Crossed,
    /// What came again.
    pub doubles: u64,
    /// Numbers that could not be.
    pub out_of_window: u64,
}

/// Packets, and the bytes of their RTP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Crossed {
    /// How many.
    pub packets: u64,
    /// How much.
    pub bytes: u64,
}

impl Link {
    /// Sound later than this is silence already.
    const AUDIO_USEFUL: Duration = Duration::from_millis(200);
    /// A picture later than this has been asked for anew.
    const VIDEO_USEFUL: Duration = Duration::from_millis(400);
    /// Requests and answers waiting; more come again by themselves.
    const MOST_OWN: usize = 64;
    /// Before the first answer.
    const GUESSED_ROUND_TRIP: Duration = Duration::from_millis(60);

    /// Both lanes are up at `now`, and may send at `rate`.
    pub fn new(now: Instant, rate: Bitrate) -> Self {
        Self {
            control: End::new(now, rate, Self::AUDIO_USEFUL),
            video: End::new(now, rate, Self::VIDEO_USEFUL),
            scheduler: Scheduler::default(),
            repetition: Repetition::default(),
            own: Vec::new(),
            asked: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// A packet is to cross.
    pub fn push(&mut self, now: Instant, packet: Queued) {
        self.scheduler.push(now, packet);
    }

    /// `lane` may send so much from now on.
    pub fn set_rate(&mut self, now: Instant, lane: Lane, rate: Bitrate) {
        self.end(lane).pacer.set_rate(now, rate);
    }

    /// A datagram came on `lane`.
    pub fn receive(
        &mut self,
        now: Instant,
        lane: Lane,
        datagram: Bytes,
    ) -> Result<Received, FrameError> {
        let frame = Frame::read(datagram)?;
        self.end(lane).pulse.heard(now);
        match frame {
            Frame::Media(media) => return Ok(self.arrived(now, lane, media)),
            Frame::Heartbeat(heartbeat) => {
                let end = self.end(lane);
                let sent = end.ring.next();
                end.pulse.receive(now, &heartbeat, sent);
                let loss = self.control.pulse.loss().max(self.video.pulse.loss());
                self.repetition.set_loss(loss);
            }
            Frame::Missing(missing) => self.answer(now, &missing),
            Frame::Gone(gone) => {
                let arrivals = &mut self.end(gone.lane).arrivals;
                gone.numbers.iter().for_each(|seq| arrivals.gone(*seq));
            }
            Frame::Padding => {}
        }
        Ok(Received::Own)
    }

    /// Appends the next datagram for `lane` to `to`; `false` if none may leave now.
    pub fn transmit(&mut self, now: Instant, lane: Lane, to: &mut BytesMut) -> bool {
        self.think(now);
        let end = self.end(lane);
        let (next, received) = (end.arrivals.next(), end.arrivals.originals());
        if let Some(heartbeat) = end.pulse.poll(now, next, received) {
            Frame::Heartbeat(heartbeat).write(to);
            return true;
        }
        if lane == Lane::Control
            && let Some(frame) = self.own.pop()
        {
            frame.write(to);
            return true;
        }
        if !self.end(lane).pacer.allows(now) {
            self.end(lane).held_back |= self.scheduler.waiting(lane) > 0;
            return false;
        }
        let Some((_, class, load)) = self.scheduler.pop(now, lane) else {
            return false;
        };
        let media = self.leave(now, class, load);
        media.write(to);
        self.end(lane).pacer.spend(media.len());
        true
    }

    /// When to [`transmit`](Self::transmit) again, if nothing comes before.
    pub fn deadline(&self) -> Instant {
        let mut at = self
            .control
            .pulse
            .deadline()
            .min(self.video.pulse.deadline());
        for asks_at in [
            self.control.arrivals.deadline(),
            self.video.arrivals.deadline(),
        ]
        .into_iter()
        .flatten()
        {
            at = at.min(asks_at);
        }
        if let Some(repeats_at) = self.repetition.deadline() {
            at = at.min(repeats_at);
        }
        for (lane, end) in [(Lane::Control, &self.control), (Lane::Video, &self.video)] {
            if self.scheduler.waiting(lane) > 0 {
                at = at.min(end.pacer.ready_at());
            }
        }
        at
    }

    /// Whether something had to wait for the pace of `lane` since this was asked last.
    pub fn take_held_back(&mut self, lane: Lane) -> bool {
        std::mem::take(&mut self.end(lane).held_back)
    }

    /// Flows that cannot go on without a keyframe.
    pub fn take_broken(&mut self) -> Vec<FlowId> {
        self.scheduler.take_broken()
    }

    /// A flow ended.
    pub fn forget(&mut self, flow: FlowId) {
        self.scheduler.forget(flow);
    }

    /// A layer stops: what waits of it is left out, and what follows up to a keyframe.
    pub fn pause(&mut self, flow: FlowId) {
        self.scheduler.pause(flow);
    }

    /// How the other end is: the better of both lanes.
    pub fn health(&self, now: Instant) -> Health {
        match (self.control.pulse.health(now), self.video.pulse.health(now)) {
            (Health::Up, _) | (_, Health::Up) => Health::Up,
            (Health::Silent, _) | (_, Health::Silent) => Health::Silent,
            (Health::Dead, Health::Dead) => Health::Dead,
        }
    }

    /// As heartbeats measure it.
    pub fn round_trip(&self) -> Option<Duration> {
        self.control
            .pulse
            .round_trip()
            .or(self.video.pulse.round_trip())
    }

    /// The share of our packets on `lane` that got lost of late.
    pub fn loss(&self, lane: Lane) -> f64 {
        match lane {
            Lane::Control => self.control.pulse.loss(),
            Lane::Video => self.video.pulse.loss(),
        }
    }

    /// When [`health`](Self::health) says something else, if nothing comes before.
    pub fn health_until(&self, now: Instant) -> Instant {
        let until = |end: &End| end.pulse.health_until(now);
        until(&self.control).max(until(&self.video))
    }

    /// What crossed.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Packets left out, by reason.
    pub fn shed(&self, reason: Shed) -> u64 {
        self.scheduler.shed(reason)
    }

    /// Packets that never came.
    pub fn given_up(&self) -> u64 {
        self.control.arrivals.given_up() + self.video.arrivals.given_up()
    }

    fn arrived(&mut self, now: Instant, lane: Lane, media: Media) -> Received {
        let arrivals = &mut self.end(lane).arrivals;
        // Who repeats need not be asked so soon; both ends of a path lose alike.
        if media.copy == Copy::Repeated {
            arrivals.set_patience(Patience::REPEATED);
        }
        match arrivals.arrive(now, media.seq, media.copy) {
            Arrival::New => {
                self.counts.came.add(media.rtp.len());
                Received::Media(media)
            }
            Arrival::Double => {
                self.counts.doubles += 1;
                Received::Double
            }
            Arrival::OutOfWindow => {
                self.counts.out_of_window += 1;
                Received::OutOfWindow
            }
        }
    }

    /// Asks for what is missing, repeats what is due.
    fn think(&mut self, now: Instant) {
        let round_trip = self.round_trip().unwrap_or(Self::GUESSED_ROUND_TRIP);
        for lane in [Lane::Control, Lane::Video] {
            let mut numbers = std::mem::take(&mut self.asked);
            self.end(lane).arrivals.ask(now, round_trip, &mut numbers);
            for numbers in numbers.chunks(Missing::MOST) {
                let numbers = numbers.to_vec();
                self.say(Frame::Missing(Missing { lane, numbers }));
            }
            numbers.clear();
            self.asked = numbers;
        }
        while let Some(media) = self.repetition.poll(now) {
            let packet = Queued {
                room: RoomKey::LINK,
                class: Class::AudioRepair,
                load: Load::Again(media),
            };
            self.scheduler.push(now, packet);
        }
    }

    /// The other end misses something.
    fn answer(&mut self, now: Instant, missing: &Missing) {
        let mut gone = Vec::new();
        for seq in &missing.numbers {
            match self.end(missing.lane).ring.repair(now, *seq) {
                Ok((class, media)) => self.scheduler.push(
                    now,
                    Queued {
                        room: RoomKey::LINK,
                        class,
                        load: Load::Again(media),
                    },
                ),
                Err(Refusal::Gone) => gone.push(*seq),
                Err(Refusal::Recent) => {}
                Err(Refusal::Budget) => self.counts.over_budget += 1,
            }
        }
        if !gone.is_empty() {
            self.counts.gone += gone.len() as u64;
            self.say(Frame::Gone(Missing {
                lane: missing.lane,
                numbers: gone,
            }));
        }
    }

    /// A packet leaves: from here on nothing of ours can drop it.
    fn leave(&mut self, now: Instant, class: Class, load: Load) -> Media {
        self.counts.left[class as usize].add(load.rtp().len());
        match load {
            Load::Fresh { flow, place, rtp } => {
                self.counts.originals += 1;
                self.counts.original_bytes += rtp.len() as u64;
                let media = self
                    .end(class.lane())
                    .ring
                    .number(now, flow, class, place, rtp);
                if class == Class::Audio {
                    self.repetition.left(now, &media);
                }
                media
            }
            Load::Again(media) => {
                if media.copy == Copy::Repeated {
                    self.counts.repeated_bytes += media.rtp.len() as u64;
                } else {
                    self.counts.repairs += 1;
                    self.counts.repair_bytes += media.rtp.len() as u64;
                }
                media
            }
        }
    }

    fn say(&mut self, frame: Frame) {
        if self.own.len() < Self::MOST_OWN {
            self.own.push(frame);
        }
    }

    fn end(&mut self, lane: Lane) -> &mut End {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Video => &mut self.video,
        }
    }

    /// Whether sound is repeated.
    pub fn repeats(&self) -> Active {
        self.repetition.active()
    }
}

impl Crossed {
    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

impl End {
    fn new(now: Instant, rate: Bitrate, useful_for: Duration) -> Self {
        Self {
            ring: Ring::new(),
            arrivals: Arrivals::new(useful_for),
            pulse: Pulse::new(now),
            pacer: Pacer::new(now, rate),
            held_back: false,
        }
    }
}
