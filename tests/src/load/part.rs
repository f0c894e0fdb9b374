//! The part somebody plays in a run: what it publishes, and what it wants to receive.

use livekit_protocol::{AddTrackRequest, SimulcastCodec, TrackSource, TrackType, VideoLayer};

use super::{
    client::sending::Devices,
    sdp::{Offer, RIDS, Repetition, Section},
    statistics::Group,
};

/// Who somebody is in a run.
#[derive(Debug, Clone)]
pub struct Part {
    /// The room.
    pub room: String,
    /// Its number among the publishers, or behind them.
    pub number: usize,
    /// Its name.
    pub identity: String,
    /// Whose packets are counted where.
    pub group: Group,
    /// Its microphone.
    pub microphone: Device,
    /// Its camera.
    pub camera: Device,
    /// How it uses its microphone.
    pub manner: Manner,
    /// Of its sound, and of the sound it hears.
    pub repetition: Repetition,
    /// Sections to offer for others' sound and pictures.
    pub sections: (usize, usize),
    /// Whose pictures it watches.
    pub watch: Watch,
}

/// How somebody talks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// In spurts, with pauses in which hardly anything is sent.
    #[default]
    Spurts,
    /// Without end.
    Lecture,
}

/// A microphone or a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// There is none.
    None,
    /// It is announced and sends nothing.
    Muted,
    /// It plays.
    Live,
}

/// Whose pictures somebody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// All there are, as large as they are.
    All,
    /// Those of the next `count` of `of` publishers, at 180 and 360 lines in turn.
    Next {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
    },
}

impl Part {
    /// Whether it sends anything.
    pub fn publishes(&self) -> bool {
        [self.microphone, self.camera] != [Device::None; 2]
    }

    /// The sections it sends in.
    pub fn own_sections(&self) -> Vec<Section> {
        let own = [
            (self.microphone, Section::SendAudio),
            (self.camera, Section::SendVideo),
        ];
        let there = own.iter().filter(|(device, _)| *device != Device::None);
        there.map(|(_, section)| *section).collect()
    }

    /// What of it plays, and in which sections of `offer`.
    pub fn devices(&self, offer: &Offer) -> Option<Devices> {
        let live = |device, section| offer.mid(section).filter(|_| device == Device::Live);
        let microphone = live(self.microphone, Section::SendAudio);
        let camera = live(self.camera, Section::SendVideo);
        let any = microphone.is_some() || camera.is_some();
        any.then_some(Devices {
            publisher: self.number as u16,
            microphone,
            camera,
            manner: self.manner,
            repetition: self.repetition,
        })
    }

    /// Announces what it publishes.
    pub fn tracks(&self, offer: &Offer) -> Vec<AddTrackRequest> {
        let mut tracks = Vec::new();
        if self.microphone != Device::None {
            tracks.push(AddTrackRequest {
                cid: offer.cid(Section::SendAudio),
                name: "microphone".to_owned(),
                r#type: TrackType::Audio as i32,
                source: TrackSource::Microphone as i32,
                muted: self.microphone == Device::Muted,
                disable_red: self.repetition == Repetition::None,
                ..AddTrackRequest::default()
            });
        }
        if self.camera != Device::None {
            let cid = offer.cid(Section::SendVideo);
            let layer = |(index, rid): (usize, &char)| VideoLayer {
                quality: index as i32,
                width: 320 << index,
                height: 180 << index,
                bitrate: [150_000, 450_000, 1_700_000][index],
                spatial_layer: index as i32,
                rid: rid.to_string(),
                ..VideoLayer::default()
            };
            let layers: Vec<_> = RIDS.iter().enumerate().map(layer).collect();
            tracks.push(AddTrackRequest {
                cid: cid.clone(),
                name: "camera".to_owned(),
                r#type: TrackType::Video as i32,
                source: TrackSource::Camera as i32,
                muted: self.camera == Device::Muted,
                width: 1280,
                height: 720,
                layers: layers.clone(),
                simulcast_codecs: vec![SimulcastCodec {
                    codec: "vp8".to_owned(),
                    cid,
                    layers,
                    ..SimulcastCodec::default()
                }],
                ..AddTrackRequest::default()
            });
        }
        tracks
    }
}
