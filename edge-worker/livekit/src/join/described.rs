//! Joining without signalling: all that is asked for stands in one offer, as WHIP (RFC 9725) and
//! WHEP have it.

use sfu::Wanted;

use super::{JoinRequest, Mode};
use crate::Client;
use crate::signal::{AddTrack, DescribedTrack, Description};

/// What somebody is there for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To send what its offer shows.
    Publish {
        /// As text.
        offer: String,
        /// Of the offer.
        tracks: Vec<DescribedTrack>,
    },
    /// To receive what there is. It offers once that is known.
    Watch,
}

impl JoinRequest {
    /// The number of an offer that came without one.
    pub const ONLY_OFFER: u32 = 1;

    /// Somebody who has one connection and hears nothing beside it.
    pub fn without_signalling(purpose: Purpose) -> Self {
        /// Nothing is told to it that depends on a version.
        const PROTOCOL: i32 = 16;
        let whole = Self {
            mode: Mode::Single,
            client: Client {
                protocol: PROTOCOL,
                ..Client::default()
            },
            auto_subscribe_data: Wanted::No,
            ..Self::default()
        };
        match purpose {
            Purpose::Publish { offer, tracks } => Self {
                auto_subscribe: Wanted::No,
                add_tracks: tracks.iter().map(AddTrack::described).collect(),
                offer: Some(Description {
                    id: Self::ONLY_OFFER,
                    sdp: offer,
                }),
                ..whole
            },
            Purpose::Watch => Self {
                auto_subscribe: Wanted::Yes,
                ..whole
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use media::MediaKind;
    use sfu::Source;

    use super::*;

    #[test]
    fn what_an_offer_shows_is_announced_for_it() {
        let track = |kind, encodings, channels| DescribedTrack {
            cid: "it".to_owned(),
            kind,
            encodings,
            channels,
        };
        for (track, source, layers, stereo) in [
            (track(MediaKind::Audio, 1, 1), Source::Microphone, 0, false),
            (track(MediaKind::Audio, 1, 2), Source::Microphone, 0, true),
            (track(MediaKind::Video, 1, 0), Source::Camera, 1, false),
            (track(MediaKind::Video, 3, 0), Source::Camera, 3, false),
            (track(MediaKind::Video, 8, 0), Source::Camera, 3, false),
        ] {
            let request = JoinRequest::without_signalling(Purpose::Publish {
                offer: String::new(),
                tracks: vec![track.clone()],
            });
            let publication = request.add_tracks[0].publication("abcdefghijkl").unwrap();
            assert_eq!(publication.cid, "it");
            let shown = publication.track;
            assert_eq!(
                (shown.kind, shown.source, shown.layers.len(), shown.stereo),
                (track.kind, source, layers, stereo)
            );
            assert_eq!(request.auto_subscribe, Wanted::No);
        }
    }
}
