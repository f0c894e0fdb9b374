//! What an operator can watch, in Prometheus' words: `relay_*`, by the neighbour's name and region.
//! What a link counts is added up when somebody looks after it, a few times a second.

use std::collections::HashMap;

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use relay_proto::{Class, Disbelief, Shed};

use crate::close::Close;
use crate::identity::Identity;
use crate::line::Line;
use crate::refused::Reason;

/// All counters of a node's part in the relay. Cloning is cheap and counts into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    links: IntGauge,
    rooms: IntGauge,
    round_trip: GaugeVec,
    loss: GaugeVec,
    rate: GaugeVec,
    connects: IntCounterVec,
    closes: IntCounterVec,
    sent: IntCounterVec,
    sent_bytes: IntCounterVec,
    received: IntCounterVec,
    received_bytes: IntCounterVec,
    given_up: IntCounterVec,
    shed: IntCounterVec,
    refused: IntCounterVec,
    untaken: IntCounterVec,
    disbelieved: IntCounterVec,
    unheard: IntCounter,
}

impl Metrics {
    /// All at zero, shown by `registry`.
    ///
    /// # Errors
    ///
    /// If the registry has metrics of that name already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        const LINK: [&str; 2] = ["node", "region"];
        let counters = |name, help, more: &[&str]| {
            let labels = [&LINK[..], more].concat();
            registered(
                registry,
                IntCounterVec::new(Opts::new(name, help), &labels)?,
            )
        };
        let gauges =
            |name, help| registered(registry, GaugeVec::new(Opts::new(name, help), &LINK)?);
        let plain = |name, help, label| {
            registered(
                registry,
                IntCounterVec::new(Opts::new(name, help), &[label])?,
            )
        };
        Ok(Self {
            links: registered(registry, IntGauge::new("relay_links", "Links up now")?)?,
            rooms: registered(
                registry,
                IntGauge::new("relay_rooms", "Rooms of which something passes here")?,
            )?,
            round_trip: gauges("relay_link_round_trip_seconds", "Round trip of a link")?,
            loss: gauges(
                "relay_link_loss_ratio",
                "Share of packets sent that get lost",
            )?,
            rate: gauges(
                "relay_link_rate_bits_per_second",
                "What pictures may take of a link",
            )?,
            connects: counters("relay_link_connects_total", "Links that came up", &[])?,
            closes: plain(
                "relay_link_closes_total",
                "Links that ended, by why",
                "reason",
            )?,
            sent: counters(
                "relay_link_packets_sent_total",
                "Packets sent by class",
                &["class"],
            )?,
            sent_bytes: counters(
                "relay_link_bytes_sent_total",
                "Bytes of RTP sent by class",
                &["class"],
            )?,
            received: counters(
                "relay_link_packets_received_total",
                "Packets, each once",
                &[],
            )?,
            received_bytes: counters("relay_link_bytes_received_total", "Bytes of RTP", &[])?,
            given_up: counters("relay_link_packets_given_up_total", "Never came", &[])?,
            shed: counters(
                "relay_link_packets_shed_total",
                "Packets not sent, by why",
                &["reason"],
            )?,
            refused: counters(
                "relay_link_datagrams_refused_total",
                "Datagrams that came and were left out, by why",
                &["reason"],
            )?,
            untaken: counters(
                "relay_link_datagrams_untaken_total",
                "Datagrams that QUIC did not take: larger than the path carries",
                &[],
            )?,
            disbelieved: plain(
                "relay_announcements_refused_total",
                "Announcements not believed, by why",
                "reason",
            )?,
            unheard: registered(
                registry,
                IntCounter::new(
                    "relay_packets_unheard_total",
                    "Packets that this node's rooms were too slow for",
                )?,
            )?,
        })
    }

    pub(crate) fn link_up(&self, who: &Identity) {
        self.links.inc();
        self.connects.with_label_values(&labels(who)).inc();
    }

    pub(crate) fn link_down(&self, who: &Identity, why: Close) {
        self.links.dec();
        self.closes.with_label_values(&[why.label()]).inc();
        // A link that is not there has neither delay nor loss.
        for gauge in [&self.round_trip, &self.loss, &self.rate] {
            // It may never have been measured.
            let _ = gauge.remove_label_values(&labels(who));
        }
    }

    pub(crate) fn set_rooms(&self, rooms: usize) {
        self.rooms.set(rooms as i64);
    }

    pub(crate) fn unheard(&self, packets: u64) {
        self.unheard.inc_by(packets);
    }

    pub(crate) fn disbelieved(&self, why: Disbelief) {
        let label = match why {
            Disbelief::Loop => "loop",
            Disbelief::NotTheirs => "not_theirs",
            Disbelief::TooFar => "too_far",
            Disbelief::Name => "name",
            Disbelief::Ghost => "ghost",
            Disbelief::TooMany => "too_many",
            Disbelief::NoLink => "no_link",
        };
        self.disbelieved.with_label_values(&[label]).inc();
    }
}

impl Default for Metrics {
    /// Shown by nobody.
    fn default() -> Self {
        Self::new(&Registry::new()).expect("nothing is registered yet")
    }
}

/// What of a link's counts was added up already.
#[derive(Debug, Default)]
pub(crate) struct Tally(HashMap<(&'static str, &'static str), u64>);

impl Tally {
    /// Adds what is new.
    pub(crate) fn add(&mut self, metrics: &Metrics, line: &Line) {
        let who = labels(&line.identity);
        let status = line.link.counts();
        let [node, region] = who;
        let mut add = |to: &IntCounterVec, name, label: &'static str, value| {
            let before = self.0.entry((name, label)).or_default();
            let more = value - *before;
            *before = value;
            if more > 0 {
                let labels: &[&str] = if label.is_empty() {
                    &[node, region]
                } else {
                    &[node, region, label]
                };
                to.with_label_values(labels).inc_by(more);
            }
        };
        for class in Class::ALL {
            let left = status.left[class as usize];
            add(&metrics.sent, "sent", class_label(class), left.packets);
            add(
                &metrics.sent_bytes,
                "sent_bytes",
                class_label(class),
                left.bytes,
            );
        }
        add(&metrics.received, "received", "", status.came.packets);
        add(
            &metrics.received_bytes,
            "received_bytes",
            "",
            status.came.bytes,
        );
        add(&metrics.given_up, "given_up", "", line.link.given_up());
        add(&metrics.untaken, "untaken", "", line.untaken());
        for why in Shed::ALL {
            let label = match why {
                Shed::Late => "late",
                Shed::AwaitKeyframe => "await_keyframe",
                Shed::Full => "full",
            };
            add(&metrics.shed, "shed", label, line.link.shed(why));
        }
        for why in Reason::ALL {
            add(
                &metrics.refused,
                "refused",
                why.label(),
                line.refused.of(why),
            );
        }
        if let Some(round_trip) = line.link.round_trip() {
            let gauge = metrics.round_trip.with_label_values(&who);
            gauge.set(round_trip.as_secs_f64());
        }
        metrics.loss.with_label_values(&who).set(line.loss());
        metrics
            .rate
            .with_label_values(&who)
            .set(line.rate().0 as f64);
    }
}

fn labels(who: &Identity) -> [&str; 2] {
    [who.node(), who.region()]
}

fn class_label(class: Class) -> &'static str {
    match class {
        Class::Audio => "audio",
        Class::AudioRepair => "audio_repair",
        Class::BaseLayer => "base_layer",
        Class::VideoRepair => "video_repair",
        Class::Enhancement => "enhancement",
    }
}

fn registered<T: Collector + Clone + 'static>(
    registry: &Registry,
    metric: T,
) -> Result<T, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
