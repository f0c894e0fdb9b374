//! Several instances of one room, on a node each, and the fabric between them: it tells
//! everybody what one says, merges what is wanted of a track, and carries a layer to those
//! who want it. All clocks go alike, and are moved by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use media::{Codec, Layer, Packet, Rtcp, TrackId};
use sfu::{
    Beginning, Carried, LayerSet, LinkKey, LinkNews, ParticipantInfo, Sink, Streaming, TrackInfo,
    TrackKey,
};

use crate::film::{Film, roll};
use crate::stage::{Carriage, Stage, describe, id, identity, name, track_id};

/// All instances are reached over it.
pub(crate) const FABRIC: LinkKey = LinkKey(5);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Those instances that are up, and what goes on between them.
pub(crate) struct Nodes {
    pub(crate) stages: Vec<Stage>,
    /// Whose words do not come through.
    pub(crate) cut_off: BTreeSet<usize>,
    /// What is said waits until it is [delivered](Self::deliver).
    pub(crate) slow: bool,
    /// Said by one node to another, in order.
    mail: BTreeMap<(usize, usize), VecDeque<LinkNews>>,
    /// Everything is said, and every packet carried, twice.
    pub(crate) doubles: bool,
    /// Of each track, what each node wants.
    wants: BTreeMap<TrackId, BTreeMap<usize, LayerSet>>,
    /// Packets that left the node of their publisher, once however many nodes get them.
    pub(crate) crossed: BTreeMap<(TrackId, Layer), usize>,
    /// What was told on each node.
    logs: Vec<Vec<String>>,
    /// Where they are sent, of tracks that are not shown.
    backups: BTreeMap<TrackId, usize>,
    /// Instances there have been, each with an id of its own.
    opened: i64,
}

impl Nodes {
    /// The first one begins the room.
    pub(crate) fn new(count: usize) -> Self {
        let mut nodes = Self {
            stages: Vec::new(),
            cut_off: BTreeSet::new(),
            slow: false,
            mail: BTreeMap::new(),
            doubles: false,
            wants: BTreeMap::new(),
            crossed: BTreeMap::new(),
            logs: Vec::new(),
            backups: BTreeMap::new(),
            opened: 0,
        };
        for _ in 0..count {
            nodes.open();
        }
        nodes
    }

    /// One more node has the room.
    pub(crate) fn open(&mut self) -> usize {
        let stage = self.instance();
        self.stages.push(stage);
        self.logs.push(Vec::new());
        self.span();
        self.stages.len() - 1
    }

    /// A node where the room was closed has it again. What it said before was heard
    /// long ago.
    pub(crate) fn reopen(&mut self, node: usize) {
        for other in 0..self.stages.len() {
            while self
                .mail
                .get(&(node, other))
                .is_some_and(|it| !it.is_empty())
            {
                self.deliver(node, other);
            }
        }
        self.stages[node] = self.instance();
        self.span();
    }

    /// Whoever opens it second has the clock that goes ahead: the ids do not come in order.
    fn instance(&mut self) -> Stage {
        let beginning = match self.stages.first() {
            Some(_) => Beginning::Joined,
            None => Beginning::Anew,
        };
        self.opened += 1;
        let number = self.opened;
        let mut stage = Stage::begin(beginning, |info| {
            info.id = format!("RM_{number}").parse().unwrap();
            info.created_at_ms = (number * 2) % 5;
        });
        if let Some(first) = self.stages.first() {
            stage.now = first.now;
        }
        stage
    }

    fn span(&mut self) {
        for stage in &mut self.stages {
            stage.room.span(stage.now, FABRIC);
        }
        self.settle();
    }

    /// Somebody joins on a node, and its media connects.
    pub(crate) fn join(&mut self, node: usize, who: &str) {
        let stage = &mut self.stages[node];
        stage.join_as(who, |_| {}).unwrap();
        stage.room.activated(stage.now, id(who));
        self.settle();
    }

    pub(crate) fn leave(&mut self, node: usize, who: &str) {
        self.stages[node].leave(who);
        self.settle();
    }

    pub(crate) fn publish(&mut self, node: usize, who: &str, track: TrackInfo) -> TrackKey {
        let key = self.stages[node].publish(who, track);
        self.settle();
        key
    }

    pub(crate) fn film(&mut self, node: usize, who: &str, track: TrackInfo) -> Film {
        let film = Film::publish(&mut self.stages[node], who, track);
        self.settle();
        film
    }

    /// Lets everything that was said be heard, until nobody says anything more.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 50, "they never stop talking");
            let mut quiet = true;
            for node in 0..self.stages.len() {
                quiet &= !self.speak_for(node);
            }
            if quiet {
                return;
            }
        }
    }

    /// The oldest that one node said to another is heard.
    pub(crate) fn deliver(&mut self, from: usize, to: usize) {
        let news = self.mail.get_mut(&(from, to)).and_then(VecDeque::pop_front);
        if let Some(news) = news {
            self.heed(to, news);
            self.settle();
        }
    }

    /// Everything that waits is heard.
    pub(crate) fn deliver_all(&mut self) {
        self.slow = false;
        for ((_, to), news) in std::mem::take(&mut self.mail) {
            for news in news {
                self.heed(to, news);
            }
        }
        self.settle();
    }

    fn heed(&mut self, node: usize, news: LinkNews) {
        let Stage {
            room, now, wire, ..
        } = &mut self.stages[node];
        room.heed(*now, FABRIC, news, wire);
    }

    /// Passes on what one node has to say; whether that was anything.
    fn speak_for(&mut self, node: usize) -> bool {
        let stage = &mut self.stages[node];
        let said = stage.log();
        let mut any = !said.is_empty();
        self.logs[node].extend(said);
        any |= stage.bind_opened();
        let news = std::mem::take(&mut stage.news);
        let wants = std::mem::take(&mut stage.wants);
        let carried = std::mem::take(&mut stage.wire.carried);
        let reports = std::mem::take(&mut stage.wire.carried_reports);
        let asked = std::mem::take(&mut stage.wire.asked);
        any |= !news.is_empty() || !wants.is_empty() || !carried.is_empty() || !asked.is_empty();
        for (link, news) in news {
            assert_eq!(link, FABRIC);
            self.tell(node, &news);
        }
        for (link, track, layers) in wants {
            assert_eq!(link, FABRIC);
            self.want(node, track, layers);
        }
        for (track, layer) in asked {
            let track = self.id_of(node, track);
            let home = self.home_of(track);
            if let Some((home, key)) = home {
                let Stage {
                    room, now, wire, ..
                } = &mut self.stages[home];
                room.link_asks(*now, key, layer, wire);
            }
        }
        for carried in carried {
            let track = self.id_of(node, carried.track);
            *self.crossed.entry((track, carried.layer)).or_default() += 1;
            self.carry(track, &carried);
        }
        for (track, layer, report) in reports {
            let track = self.id_of(node, track);
            for other in self.wanting(track, layer) {
                self.give(other, track, layer, Carried::Report(&report));
            }
        }
        any
    }

    fn tell(&mut self, from: usize, news: &LinkNews) {
        if let LinkNews::Changed(linked) = news {
            let backups = linked.tracks.iter().filter_map(|track| track.backup);
            self.backups.extend(backups.map(|id| (id, from)));
        }
        if self.cut_off.contains(&from) {
            return;
        }
        let times = if self.doubles { 2 } else { 1 };
        for other in (0..self.stages.len()).filter(|other| *other != from) {
            for _ in 0..times {
                if self.slow {
                    let mail = self.mail.entry((from, other)).or_default();
                    mail.push_back(news.clone());
                } else {
                    self.heed(other, news.clone());
                }
            }
        }
    }

    fn want(&mut self, node: usize, track: TrackId, layers: LayerSet) {
        self.wants.entry(track).or_default().insert(node, layers);
        self.feed(track);
    }

    /// Has a track carried as all nodes together want it.
    fn feed(&mut self, track: TrackId) {
        let wants = self.wants.entry(track).or_default().values();
        let layers = wants.fold(LayerSet::default(), |all, some| all.union(*some));
        if let Some((home, key)) = self.home_of(track) {
            let Stage {
                room, now, wire, ..
            } = &mut self.stages[home];
            room.link_feeds(*now, FABRIC, key, layers, wire);
        }
    }

    fn carry(&mut self, track: TrackId, carried: &Carriage) {
        let packet = Packet {
            payload: &carried.payload,
            // Publishers name a layer only at first.
            rid: None,
            ..carried.head
        };
        let times = if self.doubles { 2 } else { 1 };
        for other in self.wanting(track, carried.layer) {
            for _ in 0..times {
                self.give(other, track, carried.layer, Carried::Packet(&packet));
            }
        }
    }

    fn give(&mut self, node: usize, track: TrackId, layer: Layer, media: Carried<'_>) {
        let Stage {
            room, now, wire, ..
        } = &mut self.stages[node];
        if let Some(key) = room.track_of(track) {
            room.handle_carried(*now, key, layer, media, wire);
        }
    }

    /// The link to a node stops carrying a layer, or goes on.
    pub(crate) fn pause(&mut self, node: usize, track: &str, layer: Layer, streaming: Streaming) {
        let Stage {
            room, now, wire, ..
        } = &mut self.stages[node];
        room.layer_paused(*now, track_id(track), layer, streaming, wire);
        self.settle();
    }

    /// Whether a publisher on a node was asked for a keyframe since its last frame.
    pub(crate) fn asked_lately(&self, node: usize) -> bool {
        let told = self.stages[node].wire.rtcp.iter();
        let mut asks = told.filter(|(_, rtcp)| matches!(rtcp, Rtcp::KeyframeRequest { .. }));
        asks.next().is_some()
    }

    fn wanting(&self, track: TrackId, layer: Layer) -> Vec<usize> {
        let wants = self.wants.get(&track).into_iter().flatten();
        let wanting = wants.filter(|(_, layers)| layers.contains(layer));
        wanting.map(|(node, _)| *node).collect()
    }

    /// Every track that any node wants.
    pub(crate) fn all_wanted(&self) -> BTreeSet<TrackId> {
        let wants = self.wants.iter();
        let wanted = wants.filter(|(_, by)| by.values().any(|layers| !layers.is_empty()));
        wanted.map(|(track, _)| *track).collect()
    }

    /// The layers of a track that a node wants.
    pub(crate) fn wanted(&self, node: usize, track: &str) -> Vec<u8> {
        let wants = self.wants.get(&track_id(track));
        let layers = wants.and_then(|wants| wants.get(&node)).copied();
        layers.unwrap_or_default().iter().map(|it| it.0).collect()
    }

    fn id_of(&self, node: usize, key: TrackKey) -> TrackId {
        let found = self.stages[node].room.id_of(key);
        found.expect("a track of somebody")
    }

    /// The node where a track is published, and what it is called there.
    fn home_of(&self, track: TrackId) -> Option<(usize, TrackKey)> {
        if let Some(node) = self.backups.get(&track) {
            return Some((*node, self.stages[*node].room.track_of(track)?));
        }
        self.stages.iter().enumerate().find_map(|(node, stage)| {
            let publishes = |it: &&std::sync::Arc<ParticipantInfo>| {
                it.tracks.iter().any(|own| own.id == track) && stage.room.home(it.id).is_none()
            };
            stage.room.participants().find(publishes)?;
            Some((node, stage.room.track_of(track)?))
        })
    }

    /// Sound on one node; who is sent it, on any.
    pub(crate) fn speak(&mut self, node: usize, track: TrackKey) -> Vec<String> {
        self.packet(node, track, Codec::Opus, &[1, 2, 3])
    }

    /// A packet on one node; who is sent it, on any.
    pub(crate) fn packet(
        &mut self,
        node: usize,
        track: TrackKey,
        codec: Codec,
        payload: &[u8],
    ) -> Vec<String> {
        self.clear_packets();
        let mut heard = self.stages[node].packet(track, codec, payload);
        // Seen above, and not to be counted twice.
        self.stages[node].wire.packets.clear();
        self.keep_time(node);
        self.settle();
        heard.extend(self.receivers());
        heard.sort();
        heard
    }

    fn clear_packets(&mut self) {
        for stage in &mut self.stages {
            stage.wire.packets.clear();
        }
    }

    /// Who was sent packets since they were counted last, once for each.
    pub(crate) fn receivers(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for stage in &mut self.stages {
            let packets = std::mem::take(&mut stage.wire.packets);
            let receiver = |sink: &Sink| stage.openings[&sink.sender.0].participant;
            names.extend(packets.iter().map(|sink| name(receiver(sink))));
        }
        names.sort();
        names
    }

    /// All clocks follow that of one node.
    fn keep_time(&mut self, node: usize) {
        let now = self.stages[node].now;
        for stage in &mut self.stages {
            stage.pass(now.saturating_duration_since(stage.now));
        }
    }

    /// Time passes on all nodes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(Duration::from_millis(100));
            for stage in &mut self.stages {
                stage.pass(step);
            }
            self.settle();
            left -= step;
        }
    }

    /// Cameras on one node run for a while.
    pub(crate) fn roll(&mut self, node: usize, films: &mut [&mut Film], time: Duration) {
        let end = self.stages[node].now + time;
        while self.stages[node].now < end {
            let told = roll(&mut self.stages[node], films, Duration::from_millis(33));
            self.logs[node].extend(told);
            self.keep_time(node);
            self.settle();
        }
    }

    /// Kbit/s that somebody on a node is sent of a track while it is filmed.
    pub(crate) fn rate(
        &mut self,
        (node, who): (usize, &str),
        track: &str,
        (home, film): (usize, &mut Film),
    ) -> usize {
        let sender = self.stages[node].subscription(who, track).0;
        self.stages[node].wire.bytes.clear();
        self.roll(home, &mut [film], 2 * SECOND);
        let sent = self.stages[node].wire.bytes.get(&sender).copied();
        sent.unwrap_or(0) * 8 / 2_000
    }

    /// The layers that crossed since this was asked last.
    pub(crate) fn crossed(&mut self) -> Vec<u8> {
        let crossed = std::mem::take(&mut self.crossed);
        crossed.into_keys().map(|(_, layer)| layer.0).collect()
    }

    /// What was told on a node since this was asked last.
    pub(crate) fn log(&mut self, node: usize) -> Vec<String> {
        std::mem::take(&mut self.logs[node])
    }

    /// Whether something was told on a node since the log was taken last.
    #[track_caller]
    pub(crate) fn was_told(&mut self, node: usize, line: &str) {
        let log = self.log(node);
        assert!(log.iter().any(|it| it == line), "{line}: {log:#?}");
    }

    /// Forgets what was told on all nodes.
    pub(crate) fn hush(&mut self) {
        self.logs.iter_mut().for_each(Vec::clear);
    }

    /// Whom a node shows, in the order of their names.
    pub(crate) fn shown(&self, node: usize) -> Vec<String> {
        let participants = self.stages[node].room.participants();
        let mut shown: Vec<_> = participants.map(|it| describe(it)).collect();
        shown.sort();
        shown
    }

    pub(crate) fn seen(&self, node: usize, who: &str) -> ParticipantInfo {
        let found = self.stages[node].room.find_identity(&identity(who));
        (**found.expect("somebody of that name")).clone()
    }

    /// Facts told on a node so far, in short.
    pub(crate) fn facts(&self, node: usize) -> Vec<String> {
        let facts = self.stages[node].facts.iter();
        facts
            .map(|fact| crate::facts::brief(&fact.happened))
            .collect()
    }
}
