//! A room, the clock, and everything the room asked for, written down as short
//! sentences.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use media::{
    AudioLevel, Codec, Delivery, Layer, MediaKind, Mid, Outgoing, Packet, ParticipantId, Rid, Rtcp,
    SenderReport, SeqNo, Ssrc, Timestamp, TrackId,
};
use sfu::{
    Beginning, Binding, Carried, Command, Destinations, Encryption, Identity, JoinRefusal, Joined,
    LayerSet, LeaveReason, LinkKey, LinkNews, Load, Membership, Message, Muted, Notice,
    OfferedSection, Opening, Outlet, Output, ParticipantInfo, Pausing, Permission, Playing,
    Publication, Received, RefusedWish, Reliability, Room, RoomInfo, SenderKey, Sink, Source,
    State, Streams, SubscriptionKey, TrackInfo, TrackKey, TrackSettings, TransportKey, Visibility,
    Wanted,
};

/// The room under test and what surrounds it.
pub(crate) struct Stage {
    /// What microphones claim, in dBov below zero.
    pub(crate) level: u8,
    pub(crate) room: Room,
    pub(crate) now: Instant,
    pub(crate) wire: Wire,
    /// Every m-line a participant sends on, as its next offer has it.
    offers: BTreeMap<ParticipantId, Vec<OfferedSection>>,
    pub(crate) received: HashMap<Mid, Received>,
    pub(crate) openings: BTreeMap<u32, Opening>,
    bound: BTreeSet<u32>,
    pub(crate) gone: BTreeSet<ParticipantId>,
    pub(crate) facts: Vec<sfu::Fact>,
    pub(crate) loads: BTreeMap<ParticipantId, Load>,
    pub(crate) versions: BTreeMap<(ParticipantId, ParticipantId), u32>,
    /// What was said over links, apart from the log.
    pub(crate) news: Vec<(LinkKey, LinkNews)>,
    /// What was wanted over links, apart from the log.
    pub(crate) wants: Vec<(LinkKey, TrackId, LayerSet)>,
    /// What was told of connections, apart from the log.
    pub(crate) qualities: Vec<String>,
    joins: u32,
    mids: u32,
    /// Of each track's newest packet.
    seqs: HashMap<TrackKey, u16>,
}

/// Keeps what the room sends.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) packets: Vec<Sink>,
    pub(crate) rtcp: Vec<(TransportKey, Rtcp)>,
    /// Payload sent by m-line.
    pub(crate) bytes: BTreeMap<u32, usize>,
    /// Packets that went over links.
    pub(crate) carried: Vec<Carriage>,
    pub(crate) carried_reports: Vec<(TrackKey, Layer, SenderReport)>,
    /// Keyframes asked for over links.
    pub(crate) asked: Vec<(TrackKey, Layer)>,
}

/// A packet on its way over a link.
#[derive(Clone)]
pub(crate) struct Carriage {
    pub(crate) track: TrackKey,
    pub(crate) layer: Layer,
    pub(crate) head: Packet<'static>,
    pub(crate) payload: Vec<u8>,
}

impl Outlet for Wire {
    fn packet(&mut self, sink: Sink, packet: &Outgoing<'_>) {
        *self.bytes.entry(sink.sender.0).or_default() += packet.head.len() + packet.body.len();
        self.packets.push(sink);
    }

    fn rtcp(&mut self, transport: TransportKey, rtcp: Rtcp) {
        self.rtcp.push((transport, rtcp));
    }

    fn carry(&mut self, _link: LinkKey, track: TrackKey, layer: Layer, media: Carried<'_>) {
        match media {
            Carried::Packet(packet) => {
                let head = Packet {
                    payload: &[],
                    ..*packet
                };
                self.carried.push(Carriage {
                    track,
                    layer,
                    head,
                    payload: packet.payload.to_vec(),
                });
            }
            Carried::Report(report) => self.carried_reports.push((track, layer, *report)),
        }
    }

    fn ask(&mut self, _link: LinkKey, track: TrackKey, layer: Layer) {
        self.asked.push((track, layer));
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut RoomInfo)) -> Self {
        Self::begin(Beginning::Anew, change)
    }

    pub(crate) fn begin(beginning: Beginning, change: impl FnOnce(&mut RoomInfo)) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        let now = Instant::now();
        let mut info = RoomInfo {
            id: "RM_test".parse().unwrap(),
            name: "test".into(),
            metadata: String::new(),
            created_at_ms: 0,
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            playing: Playing::default(),
            participants: 0,
            publishers: 0,
            active_recording: false,
        };
        change(&mut info);
        Self {
            level: 30,
            room: Room::new(now, info, beginning),
            now,
            wire: Wire::default(),
            offers: BTreeMap::new(),
            received: HashMap::new(),
            openings: BTreeMap::new(),
            bound: BTreeSet::new(),
            gone: BTreeSet::new(),
            facts: Vec::new(),
            loads: BTreeMap::new(),
            versions: BTreeMap::new(),
            news: Vec::new(),
            wants: Vec::new(),
            qualities: Vec::new(),
            joins: 0,
            mids: 0,
            seqs: HashMap::new(),
        }
    }

    /// Somebody joins; what follows is not looked at.
    pub(crate) fn join(&mut self, name: &str) {
        self.join_as(name, |_| {}).unwrap();
        self.log();
    }

    /// Somebody joins under the identity before any `-`, changed a little.
    pub(crate) fn join_as(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Membership),
    ) -> Result<Joined, JoinRefusal> {
        let mut membership = membership(name);
        change(&mut membership);
        let joined = self.room.join(self.now, membership)?;
        self.joins += 1;
        self.room
            .attach(self.now, id(name), TransportKey(1000 + self.joins));
        Ok(joined)
    }

    /// Announces a track. Its id is `TR_<name>`, its client id its name.
    pub(crate) fn announce(&mut self, who: &str, track: TrackInfo) {
        let publication = Publication {
            cid: track.name.clone(),
            track,
            backup_of: None,
        };
        self.command(who, Command::Publish(Box::new(publication)));
    }

    /// Adds an m-line to a participant's next offer.
    pub(crate) fn add_section(
        &mut self,
        who: &str,
        track: &str,
        kind: MediaKind,
        rids: &str,
    ) -> Mid {
        let mid = Mid::new(self.mids.to_string().as_bytes()).unwrap();
        self.mids += 1;
        self.offers
            .entry(id(who))
            .or_default()
            .push(OfferedSection {
                mid,
                kind,
                cid: track.to_owned(),
                rids: rids
                    .split_whitespace()
                    .map(|rid| Rid::new(rid.as_bytes()).unwrap())
                    .collect(),
                codecs: match kind {
                    MediaKind::Audio => vec![Codec::Opus, Codec::Red],
                    MediaKind::Video => vec![Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1],
                },
            });
        mid
    }

    /// Takes an m-line out of a participant's next offer.
    pub(crate) fn remove_section(&mut self, who: &str, track: &str) {
        if let Some(sections) = self.offers.get_mut(&id(who)) {
            sections.retain(|section| section.cid != track);
        }
    }

    /// The m-lines of a participant's next offer.
    pub(crate) fn sections(&self, who: &str) -> Vec<OfferedSection> {
        self.offers.get(&id(who)).cloned().unwrap_or_default()
    }

    /// A participant's offer arrives.
    pub(crate) fn offer(&mut self, who: &str) -> Vec<Received> {
        let sections = self.offers.get(&id(who)).cloned().unwrap_or_default();
        let received = self.room.offered(self.now, id(who), &sections);
        for received in &received {
            self.received.insert(received.mid, *received);
        }
        received
    }

    /// Announces and offers a track, and lets subscribers have it.
    pub(crate) fn publish(&mut self, who: &str, track: TrackInfo) -> TrackKey {
        let mid = self.add_section(who, &track.name, track.kind, "");
        self.announce(who, track);
        self.offer(who);
        let key = self.received[&mid].track;
        self.settle();
        key
    }

    /// Binds what was opened and forgets what was told.
    pub(crate) fn settle(&mut self) {
        self.log();
        self.bind_opened();
        self.log();
    }

    /// Binds what was opened; whether there was anything.
    pub(crate) fn bind_opened(&mut self) -> bool {
        let opened = self.openings.keys().copied();
        let unbound: Vec<u32> = opened.filter(|it| !self.bound.contains(it)).collect();
        for subscription in &unbound {
            self.bind(SubscriptionKey(*subscription));
        }
        !unbound.is_empty()
    }

    /// An m-line for a subscription is ready.
    pub(crate) fn bind(&mut self, subscription: SubscriptionKey) {
        self.bound.insert(subscription.0);
        let codecs = match self.openings.get(&subscription.0).map(|o| o.codec) {
            Some(video @ (Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1)) => vec![video],
            Some(Codec::Opus | Codec::Red) | None => vec![Codec::Opus, Codec::Red],
        };
        let binding = Binding {
            sink: Sink {
                transport: TransportKey(1),
                sender: SenderKey(subscription.0),
            },
            ssrc: Ssrc(subscription.0 + 1),
            codecs,
        };
        self.room
            .bind(self.now, subscription, binding, &mut self.wire);
    }

    /// The subscription of `who` to `track`.
    pub(crate) fn subscription(&self, who: &str, track: &str) -> SubscriptionKey {
        let found = self
            .openings
            .values()
            .find(|opening| opening.participant == id(who) && opening.track == track_id(track));
        found.expect("an open subscription").subscription
    }

    pub(crate) fn command(&mut self, who: &str, command: Command) {
        self.room
            .command(self.now, id(who), command, &mut self.wire);
    }

    pub(crate) fn subscribe(&mut self, who: &str, track: &str, wanted: Wanted) {
        let tracks = vec![track_id(track)];
        self.command(who, Command::Subscribe { tracks, wanted });
    }

    pub(crate) fn settings(&mut self, who: &str, track: &str, settings: TrackSettings) {
        let tracks = vec![track_id(track)];
        self.command(who, Command::Settings { tracks, settings });
    }

    pub(crate) fn mute(&mut self, who: &str, track: &str, muted: Muted) {
        let track = track_id(track);
        self.command(who, Command::Mute { track, muted });
    }

    pub(crate) fn leave(&mut self, who: &str) {
        self.room
            .leave(self.now, id(who), LeaveReason::ClientInitiated);
    }

    pub(crate) fn data(&mut self, who: &str, identities: &[&str], sids: &[&str]) {
        let message = Message {
            reliability: Reliability::Reliable,
            destinations: Destinations {
                identities: identities.iter().map(|name| identity(name)).collect(),
                sids: sids.iter().map(|name| id(name)).collect(),
            },
            sequence: 0,
            payload: format!("from {who}").into(),
        };
        self.room.handle_data(self.now, id(who), message);
    }

    /// A reliable message with a number, for everybody.
    pub(crate) fn numbered(&mut self, who: &str, sequence: u32) {
        let message = Message {
            reliability: Reliability::Reliable,
            destinations: Destinations::default(),
            sequence,
            payload: sequence.to_string().into(),
        };
        self.room.handle_data(self.now, id(who), message);
    }

    /// A packet of sound arrives on a track; returns who is sent it.
    pub(crate) fn speak(&mut self, track: TrackKey) -> Vec<String> {
        self.packet(track, Codec::Opus, &[1, 2, 3])
    }

    /// A packet that was sent never arrives.
    pub(crate) fn lose(&mut self, track: TrackKey) {
        self.next_seq(track);
        self.now += Duration::from_millis(20);
    }

    fn next_seq(&mut self, track: TrackKey) -> u16 {
        let seq = self.seqs.entry(track).or_default();
        *seq = seq.wrapping_add(1);
        *seq
    }

    /// A packet arrives on a track; returns who is sent it.
    pub(crate) fn packet(&mut self, track: TrackKey, codec: Codec, payload: &[u8]) -> Vec<String> {
        let seq = self.next_seq(track);
        self.now += Duration::from_millis(20);
        let packet = Packet {
            ssrc: Ssrc(7),
            rid: None,
            seq: SeqNo(seq),
            timestamp: Timestamp(u32::from(seq) * 960),
            marker: true,
            delivery: Delivery::Original,
            codec,
            audio_level: Some(AudioLevel {
                level: self.level,
                voice: true,
            }),
            payload,
            dependencies: 0,
        };
        self.wire.packets.clear();
        self.room
            .handle_packet(self.now, track, &packet, &mut self.wire);
        let mut receivers: Vec<String> = self
            .wire
            .packets
            .iter()
            .map(|sink| name(self.openings[&sink.sender.0].participant))
            .collect();
        receivers.sort();
        receivers
    }

    /// Time passes, in steps as the room asks for them.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.room.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.room.handle_timeout(self.now, &mut self.wire);
            let next = self.room.deadline();
            assert!(
                next.is_none_or(|next| next > self.now),
                "the room wants to be woken again at once"
            );
        }
        self.now = end;
    }

    /// What the room asked for since the last look.
    pub(crate) fn log(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        while let Some(output) = self.room.poll() {
            log.extend(self.take(output));
        }
        log
    }

    pub(crate) fn take(&mut self, output: Output) -> Option<String> {
        let line = match output {
            Output::Notice { to, notice } => {
                self.check_present(to);
                return self.notice(to, notice);
            }
            Output::Data {
                to,
                reliability,
                payload,
            } => {
                self.check_present(to);
                let text = String::from_utf8(payload.to_vec()).unwrap();
                format!("{} gets {reliability:?} {text}", name(to))
            }
            Output::Frame { to, handle, frame } => {
                self.check_present(to);
                let text = String::from_utf8_lossy(&frame);
                format!("{} gets {text} as {handle}", name(to))
            }
            Output::Open(opening) => {
                self.check_present(opening.participant);
                let line = format!(
                    "{} opens {} {:?} in {}",
                    name(opening.participant),
                    opening.track,
                    opening.codec,
                    opening
                        .stream
                        .shared
                        .as_ref()
                        .unwrap_or(&opening.stream.own)
                );
                let key = opening.subscription.0;
                assert!(self.openings.insert(key, *opening).is_none(), "reused key");
                line
            }
            Output::Close {
                participant,
                subscription,
            } => {
                self.check_present(participant);
                let opening = self.openings.remove(&subscription.0).expect("was open");
                assert_eq!(opening.participant, participant);
                format!("{} closes {}", name(participant), opening.track)
            }
            Output::Receive {
                participant,
                received,
            } => {
                self.check_present(participant);
                self.received.insert(received.mid, received);
                format!("{} sends on {}", name(participant), received.mid)
            }
            Output::Load { participant, load } => {
                self.check_present(participant);
                self.loads.insert(participant, load);
                format!("{} is sent {}", name(participant), load.allocated)
            }
            Output::Gone { participant } => {
                assert!(self.gone.insert(participant), "gone twice");
                self.openings
                    .retain(|_, opening| opening.participant != participant);
                format!("{} is gone", name(participant))
            }
            Output::Link { link, news } => {
                self.news.push((link, news));
                return None;
            }
            Output::LinkWants {
                link,
                track,
                layers,
            } => {
                self.wants.push((link, track, layers));
                return None;
            }
            Output::Fact(fact) => {
                self.facts.push(*fact);
                return None;
            }
        };
        Some(line)
    }

    fn check_present(&self, who: ParticipantId) {
        assert!(!self.gone.contains(&who), "{who} is gone already");
        assert!(self.room.home(who).is_none(), "{who} is not here");
    }

    fn notice(&mut self, to: ParticipantId, notice: Notice) -> Option<String> {
        let who = name(to);
        Some(match notice {
            Notice::Participants(infos) => {
                let seen: Vec<String> = infos
                    .iter()
                    .map(|info| {
                        // Somebody new of the same identity replaces whom it knew.
                        self.versions.retain(|(listener, known), _| {
                            *listener != to
                                || *known == info.id
                                || identity(&name(*known)) != info.identity
                        });
                        let before = self.versions.insert((to, info.id), info.version);
                        // Who changed hears it at once, and again with the crowd.
                        let own = info.id == to && before == Some(info.version);
                        let rises = before.unwrap_or(0) < info.version;
                        assert!(own || rises, "{to} is told of {} again", describe(info));
                        if matches!(info.state, State::Disconnected(_)) {
                            self.versions.remove(&(to, info.id));
                        }
                        describe(info)
                    })
                    .collect();
                format!("{who} sees {}", seen.join(", "))
            }
            Notice::Room(info) => {
                let (count, publish) = (info.participants, info.publishers);
                let recorded = if info.active_recording {
                    ", recorded"
                } else {
                    ""
                };
                let metadata = &info.metadata;
                format!("{who} counts {count} of which {publish} publish{recorded}{metadata}")
            }
            Notice::Published { cid, track } => format!("{who} announced {cid} as {}", track.id),
            Notice::Unpublished { track } => format!("{who} lost {track}"),
            Notice::Mute { track, muted } => format!("{who} has {track} muted: {muted:?}"),
            Notice::TrackSubscribed { track } => format!("{who} is received on {track}"),
            Notice::Qualities(qualities) => {
                for it in qualities {
                    let line = format!("{who} finds {} {:?}", name(it.participant), it.quality);
                    self.qualities.push(line);
                }
                return None;
            }
            Notice::Access { track, access, .. } => format!("{who} is {access:?} {track}"),
            Notice::Speakers(speakers) => {
                let told: Vec<String> = speakers
                    .iter()
                    .map(|it| format!("{} at {}", name(it.participant), it.loudness.0))
                    .collect();
                format!("{who} hears {}", told.join(", "))
            }
            Notice::MetadataUpdated { request_id } => format!("{who} is granted {request_id}"),
            Notice::SubscriptionFailed { track, failure } => {
                format!("{who} cannot have {track}: {failure:?}")
            }
            Notice::Demand { track, codecs } => {
                let codecs: Vec<_> = codecs
                    .iter()
                    .map(|demand| format!("{:?} {:?}", demand.codec, demand.highest))
                    .collect();
                format!("{who} is to send {track} as {}", codecs.join(", "))
            }
            Notice::StreamStates(states) => {
                let states: Vec<_> = states
                    .iter()
                    .map(|state| format!("{} {:?}", state.track, state.streaming))
                    .collect();
                format!("{who} has {}", states.join(", "))
            }
            Notice::DataPublished(track) => format!("{who} has {} as {}", track.name, track.id),
            Notice::DataUnpublished(track) => format!("{who} has no {}", track.name),
            Notice::DataHandles(handles) => {
                let handles: Vec<_> = handles
                    .iter()
                    .map(|it| format!("{} as {}", it.track, it.handle))
                    .collect();
                format!("{who} gets {}", handles.join(", "))
            }
            Notice::Refused { wish, refusal } => match wish {
                RefusedWish::PublishData { name, .. } => {
                    format!("{who} may not have {name}: {refusal:?}")
                }
                RefusedWish::UnpublishData { handle } => {
                    format!("{who} may not end {handle}: {refusal:?}")
                }
                RefusedWish::Publish { cid } => format!("{who} may not publish {cid}: {refusal:?}"),
                RefusedWish::UpdateAudioTrack { track }
                | RefusedWish::UpdateVideoTrack { track } => {
                    format!("{who} may not update {track}: {refusal:?}")
                }
                RefusedWish::UpdateMetadata { request_id } => {
                    format!("{who} may not change, request {request_id}: {refusal:?}")
                }
                RefusedWish::Mute { track, .. } => {
                    format!("{who} may not mute {track}: {refusal:?}")
                }
            },
            Notice::Leave(reason) => format!("{who} must leave: {reason:?}"),
        })
    }
}

/// `alice active [TR_mic TR_cam(muted)]`
pub(crate) fn describe(info: &ParticipantInfo) -> String {
    let state = match info.state {
        State::Joining => "joining".to_owned(),
        State::Joined => "joined".to_owned(),
        State::Active => "active".to_owned(),
        State::Disconnected(reason) => format!("left({reason:?})"),
    };
    let tracks: Vec<String> = info
        .tracks
        .iter()
        .map(|track| match track.muted {
            Muted::No => track.id.to_string(),
            Muted::Yes => format!("{}(muted)", track.id),
        })
        .collect();
    let tracks = if tracks.is_empty() {
        String::new()
    } else {
        format!(" [{}]", tracks.join(" "))
    };
    format!("{} {state}{tracks}", name(info.id))
}

pub(crate) fn id(name: &str) -> ParticipantId {
    format!("PA_{name}").parse().unwrap()
}

pub(crate) fn track_id(name: &str) -> TrackId {
    format!("TR_{name}").parse().unwrap()
}

pub(crate) fn name(id: ParticipantId) -> String {
    id.as_str().trim_start_matches("PA_").to_owned()
}

/// The identity of `alice` and of `alice-again`.
pub(crate) fn identity(name: &str) -> Identity {
    Identity(name.split('-').next().unwrap().into())
}

pub(crate) fn membership(name: &str) -> Membership {
    Membership {
        participant: ParticipantInfo {
            id: id(name),
            identity: identity(name),
            name: name.to_owned(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            state: State::Joining,
            joined_at_ms: 0,
            version: 0,
            permission: Permission {
                can_subscribe: true,
                can_publish: true,
                can_publish_data: true,
                can_publish_sources: Vec::new(),
                can_update_metadata: false,
                can_subscribe_metrics: false,
                visibility: Visibility::Visible,
                recorder: false,
            },
            kind: 0,
            kind_details: Vec::new(),
            region: String::new(),
            client_protocol: 0,
            capabilities: Vec::new(),
            tracks: Vec::new(),
            data_tracks: Vec::new(),
        },
        auto_subscribe: Wanted::Yes,
        auto_subscribe_data: Wanted::No,
        adaptive_stream: false,
        pausing: Pausing::Allowed,
        protocol: 16,
        streams: Streams::Together,
    }
}

pub(crate) fn hidden(membership: &mut Membership) {
    membership.participant.permission.visibility = Visibility::Hidden;
}

pub(crate) fn microphone(name: &str) -> TrackInfo {
    track(name, MediaKind::Audio, Source::Microphone)
}

pub(crate) fn camera(name: &str) -> TrackInfo {
    track(name, MediaKind::Video, Source::Camera)
}

fn track(name: &str, kind: MediaKind, source: Source) -> TrackInfo {
    TrackInfo {
        id: track_id(name),
        kind,
        name: name.to_owned(),
        source,
        muted: Muted::No,
        width: 0,
        height: 0,
        layers: Vec::new(),
        simulcast: false,
        codec: None,
        stream: String::new(),
        encryption: Encryption::None,
        stereo: false,
        disable_red: false,
        disable_dtx: false,
        audio_features: Vec::new(),
        backup_codec_policy: 0,
        codecs: Vec::new(),
    }
}
