//! Anything may happen on any node, and be heard of elsewhere sooner or later: in the end
//! all nodes show the same.

use std::collections::BTreeSet;
use std::time::Duration;

use media::TrackId;
use sfu::{
    Allowance, Command, Grantee, Muted, ParticipantChange, Share, TrackKey, Visibility, Wanted,
};

use crate::nodes::Nodes;
use crate::random::Dice;
use crate::stage::{Stage, id, identity, membership, microphone, name};

const NODES: usize = 3;

/// Whoever came, where to, and what they published.
struct Story {
    nodes: Nodes,
    dice: Dice,
    came: Vec<(usize, String)>,
    published: Vec<(usize, String, String)>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut nodes = Nodes::new(NODES);
        nodes.slow = true;
        Self {
            nodes,
            dice: Dice(seed),
            came: Vec::new(),
            published: Vec::new(),
        }
    }

    fn below(&mut self, sides: usize) -> usize {
        self.dice.roll(sides as u32) as usize
    }

    /// Somebody who came, mostly lately; may be gone.
    fn somebody(&mut self) -> Option<(usize, String)> {
        let back = self.below(8);
        let at = self.came.len().checked_sub(1 + back)?;
        Some(self.came[at].clone())
    }

    fn join(&mut self) {
        let node = self.below(NODES);
        if self.nodes.stages[node]
            .room
            .is_over(self.nodes.stages[node].now)
        {
            self.nodes.reopen(node);
        }
        let who = format!("p{}-{}", self.below(5), self.came.len());
        // Clocks go wrong by as much as may be.
        let at = self.below(4) as i64;
        let hides = self.below(6) == 0;
        let stage = &mut self.nodes.stages[node];
        let joined = stage.join_as(&who, |it| {
            it.participant.joined_at_ms = at;
            if hides {
                crate::stage::hidden(it);
            }
        });
        joined.unwrap();
        stage.room.activated(stage.now, id(&who));
        self.came.push((node, who));
    }

    fn publish(&mut self, node: usize, who: String) {
        let stage = &mut self.nodes.stages[node];
        if stage.room.participant(id(&who)).is_none() {
            return;
        }
        let track = format!("t{}", self.published.len());
        stage.add_section(&who, &track, media::MediaKind::Audio, "");
        stage.announce(&who, microphone(&track));
        stage.offer(&who);
        self.published.push((node, who, track));
    }

    fn permit(&mut self, node: usize, who: &str) {
        let mut permission = membership(who).participant.permission;
        permission.can_publish = self.below(4) > 0;
        permission.visibility = [Visibility::Visible, Visibility::Hidden][self.below(2)];
        let change = ParticipantChange {
            permission: Some(permission),
            ..ParticipantChange::default()
        };
        let Stage { room, now, .. } = &mut self.nodes.stages[node];
        // It may have gone.
        let _ = room.update_participant(*now, id(who), change);
    }

    fn step(&mut self) {
        let what = self.below(30);
        let somebody = self.somebody();
        let (node, who) = match somebody {
            Some(somebody) if what > 3 => somebody,
            Some(_) | None => return self.join(),
        };
        let track = self.published.len().checked_sub(1 + self.below(6));
        let track = track.map(|at| self.published[at].2.clone());
        let wanted = [Wanted::No, Wanted::Yes][self.below(2)];
        let muted = [Muted::No, Muted::Yes][self.below(2)];
        let stage = &mut self.nodes.stages[node];
        match (what, track) {
            (4..7, _) => stage.leave(&who),
            (7..10, _) => self.publish(node, who),
            (10, Some(track)) => {
                stage.remove_section(&who, &track);
                stage.offer(&who);
            }
            (11, Some(track)) => stage.mute(&who, &track, muted),
            (12..14, Some(track)) => stage.subscribe(&who, &track, wanted),
            (14, _) => self.permit(node, &who),
            (15, _) => {
                let only = Grantee::Identity(identity("p1"));
                let allowed = [
                    Allowance::Everybody,
                    Allowance::Only(vec![(only, Share::All)]),
                ];
                let allowed = allowed[self.below(2)].clone();
                self.nodes.stages[node].command(&who, Command::Allow(allowed));
            }
            (16, _) => stage.data(&who, &[], &[]),
            (18, _) => {
                let metadata = format!(" {}", self.below(100));
                let Stage { room, now, .. } = &mut self.nodes.stages[node];
                room.set_metadata(*now, metadata);
            }
            (17, _) => {
                let time = Duration::from_millis(self.below(3_000) as u64);
                self.nodes.pass(time);
            }
            _ => {
                let (from, to) = (self.below(NODES), self.below(NODES));
                self.nodes.deliver(from, to);
            }
        }
        self.nodes.settle();
    }
}

#[test]
fn whatever_is_heard_of_when_in_the_end_all_nodes_show_the_same() {
    for seed in 0..150 {
        let mut story = Story::new(seed);
        for _ in 0..300 {
            story.step();
        }
        let mut nodes = story.nodes;
        nodes.deliver_all();
        nodes.pass(Duration::from_millis(1));
        for node in 0..NODES {
            if nodes.stages[node].room.is_over(nodes.stages[node].now) {
                nodes.reopen(node);
            }
        }
        let shown: Vec<_> = (0..NODES).map(|node| nodes.shown(node)).collect();
        let mut homes = BTreeSet::new();
        for node in 0..NODES {
            assert_eq!(shown[node], shown[0], "seed {seed}, node {node}");
            let info = nodes.stages[node].room.info();
            let first = nodes.stages[0].room.info();
            assert_eq!(info.participants, first.participants, "seed {seed}");
            assert_eq!(info.metadata, first.metadata, "seed {seed}");
            assert_eq!(info.id, first.id, "seed {seed}");
            assert_eq!(info.created_at_ms, first.created_at_ms, "seed {seed}");
            let room = &nodes.stages[node].room;
            let local = room.participants().filter(|it| room.home(it.id).is_none());
            for found in local {
                assert!(homes.insert(found.id), "seed {seed}: {} twice", found.id);
                let elsewhere = nodes.stages[0].room.participant(found.id).unwrap();
                assert_eq!(elsewhere, found, "seed {seed}");
            }
        }
        assert_eq!(
            homes.len(),
            shown[0].len(),
            "seed {seed}: somebody is nowhere"
        );
        hear_all(&mut nodes, seed);
    }
}

/// Everybody who receives a track is sent its packets, wherever it is, and nothing is
/// wanted that nobody receives.
fn hear_all(nodes: &mut Nodes, seed: u64) {
    let mut received = BTreeSet::new();
    for (node, track) in tracks(nodes) {
        let Some(key) = nodes.stages[node].room.track_of(track) else {
            continue;
        };
        let mut expected: Vec<String> = Vec::new();
        for stage in &nodes.stages {
            let open = stage.openings.values().filter(|it| it.track == track);
            expected.extend(open.map(|it| name(it.participant)));
        }
        expected.sort();
        let elsewhere = nodes.stages.iter().enumerate().any(|(other, stage)| {
            other != node && stage.openings.values().any(|it| it.track == track)
        });
        if elsewhere {
            received.insert(track);
        }
        if is_muted(nodes, node, key) {
            expected.clear();
        }
        assert_eq!(nodes.speak(node, key), expected, "seed {seed}: {track}");
    }
    assert_eq!(nodes.all_wanted(), received, "seed {seed}");
}

fn tracks(nodes: &Nodes) -> Vec<(usize, TrackId)> {
    let mut tracks = Vec::new();
    for (node, stage) in nodes.stages.iter().enumerate() {
        let room = &stage.room;
        let local = room.participants().filter(|it| room.home(it.id).is_none());
        tracks.extend(local.flat_map(|it| it.tracks.iter().map(move |track| (node, track.id))));
    }
    tracks
}

fn is_muted(nodes: &Nodes, node: usize, key: TrackKey) -> bool {
    let room = &nodes.stages[node].room;
    let mut infos = room.participants().flat_map(|it| &it.tracks);
    let found = infos.find(|track| room.track_of(track.id) == Some(key));
    found.is_some_and(|track| track.muted == Muted::Yes)
}
