//! Turns what a subscriber shows into the layer it is sent.

use media::{Layer, MediaKind};

use crate::fanout::Wish;
use crate::{TrackInfo, TrackSettings, VideoQuality};

/// No temporal layer is too high.
const ALL_FRAMES: u8 = u8::MAX;

/// The layer of `track`, published in `layers` layers, for a subscriber with these
/// settings; `first` is the quality for one that told none.
pub(super) fn wish(
    track: &TrackInfo,
    layers: usize,
    settings: Option<&TrackSettings>,
    first: VideoQuality,
) -> Wish {
    let Some(settings) = settings else {
        return Wish::Layer {
            spatial: layer_of(track, layers, first),
            temporal: ALL_FRAMES,
        };
    };
    if settings.disabled {
        return Wish::Paused;
    }
    let spatial = if settings.width > 0 && settings.height > 0 {
        layer_covering(track, layers, settings.width, settings.height)
    } else {
        layer_of(track, layers, settings.quality.unwrap_or(first))
    };
    Wish::Layer {
        spatial,
        temporal: temporal_layer(track.kind, settings.fps),
    }
}

/// The layer that was announced with `quality`, or the next smaller one.
pub(super) fn layer_of(track: &TrackInfo, layers: usize, quality: VideoQuality) -> Layer {
    let top = layers.saturating_sub(1);
    if track.layers.len() == layers {
        let index = track
            .layers
            .iter()
            .rposition(|layer| layer.quality <= quality);
        return layer(index.unwrap_or(0));
    }
    layer(match quality {
        VideoQuality::Low => 0,
        VideoQuality::Medium => top.min(1),
        VideoQuality::High => top,
    })
}

/// The smallest layer that looks sharp in `width` x `height`. Pictures keep their
/// shape, so their shorter side decides: the height of a landscape.
fn layer_covering(track: &TrackInfo, layers: usize, width: u32, height: u32) -> Layer {
    let wished = if track.width < track.height {
        width
    } else {
        height
    };
    let size = |index: usize| {
        let (width, height) = size_of(track, layers, layer(index));
        if track.width < track.height {
            width
        } else {
            height
        }
    };
    let top = layers.saturating_sub(1);
    let covers =
        |index: &usize| u64::from(size(*index)) * 100 >= u64::from(wished) * SHARP_ENOUGH_PERCENT;
    layer((0..top).find(covers).unwrap_or(top))
}

/// The largest layer whose shorter side is not longer than `side`, or the smallest one.
pub(super) fn layer_within(track: &TrackInfo, layers: usize, side: u32) -> Layer {
    let fits = |index: &usize| {
        let (width, height) = size_of(track, layers, layer(*index));
        width.min(height) <= side
    };
    layer((0..layers).rfind(fits).unwrap_or(0))
}

/// The width and height of one layer of `track`, published in `layers` layers.
pub(super) fn size_of(track: &TrackInfo, layers: usize, layer: Layer) -> (u32, u32) {
    let top = layers.saturating_sub(1);
    let index = layer.index().min(top);
    let announced = track
        .layers
        .get(index)
        .filter(|_| track.layers.len() == layers);
    // Encoders halve the picture from layer to layer unless told otherwise.
    let halved = |full: u32| full >> (top - index);
    let side =
        |announced: Option<u32>, full| announced.filter(|it| *it > 0).unwrap_or(halved(full));
    (
        side(announced.map(|it| it.width), track.width),
        side(announced.map(|it| it.height), track.height),
    )
}

/// A picture may be enlarged a little before a layer with four times the pixels is
/// worth its bits.
const SHARP_ENOUGH_PERCENT: u64 = 90;

/// Cameras send 30 frames a second, and each temporal layer halves them.
fn temporal_layer(kind: MediaKind, fps: u32) -> u8 {
    match (kind, fps) {
        (MediaKind::Audio, _) | (MediaKind::Video, 0 | 25..) => ALL_FRAMES,
        (MediaKind::Video, 1..=15) => 0,
        (MediaKind::Video, 16..=24) => 1,
    }
}

fn layer(index: usize) -> Layer {
    Layer::ALL[index.min(Layer::COUNT - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VideoLayer;
    use crate::testing::publication;

    fn layers(sizes: &[(VideoQuality, u32, u32)]) -> Vec<VideoLayer> {
        sizes
            .iter()
            .map(|&(quality, width, height)| VideoLayer {
                quality,
                width,
                height,
                bitrate: 0,
            })
            .collect()
    }

    fn camera(width: u32, height: u32, announced: &[(VideoQuality, u32, u32)]) -> TrackInfo {
        TrackInfo {
            width,
            height,
            layers: layers(announced),
            ..publication("v:cam").track
        }
    }

    fn spatial(wish: Wish) -> Option<u8> {
        match wish {
            Wish::Paused => None,
            Wish::Layer { spatial, .. } => Some(spatial.0),
        }
    }

    const THREE: [(VideoQuality, u32, u32); 3] = [
        (VideoQuality::Low, 320, 180),
        (VideoQuality::Medium, 640, 360),
        (VideoQuality::High, 1280, 720),
    ];

    #[test]
    fn su_6_the_smallest_layer_that_covers_the_size_is_sent() {
        let landscape = camera(1280, 720, &THREE);
        let unannounced = camera(1280, 720, &[]);
        let portrait = camera(
            720,
            1280,
            &[
                (VideoQuality::Low, 180, 320),
                (VideoQuality::Medium, 360, 640),
                (VideoQuality::High, 720, 1280),
            ],
        );
        for (width, height, expected) in [
            (1, 1, 0),
            (320, 180, 0),
            (340, 195, 0),
            (400, 225, 1),
            (640, 360, 1),
            (700, 395, 1),
            (1280, 720, 2),
            (4000, 2000, 2),
            (u32::MAX, u32::MAX, 2),
        ] {
            let settings = TrackSettings {
                width,
                height,
                // A size wins.
                quality: Some(VideoQuality::High),
                ..TrackSettings::default()
            };
            for (track, what) in [(&landscape, "announced"), (&unannounced, "halved")] {
                let sent = wish(track, 3, Some(&settings), VideoQuality::Low);
                assert_eq!(spatial(sent), Some(expected), "{what} {width}x{height}");
            }
            let turned = TrackSettings {
                width: height,
                height: width,
                ..settings
            };
            let sent = wish(&portrait, 3, Some(&turned), VideoQuality::Low);
            assert_eq!(spatial(sent), Some(expected), "portrait {height}x{width}");
        }
    }

    #[test]
    fn a_quality_names_the_layer_announced_for_it() {
        use VideoQuality::{High, Low, Medium};
        for (announced, published, quality, expected) in [
            (&THREE[..], 3, Low, 0),
            (&THREE, 3, Medium, 1),
            (&THREE, 3, High, 2),
            (&THREE[..2], 2, Low, 0),
            (&THREE[..2], 2, Medium, 1),
            (&THREE[..2], 2, High, 1),
            (&[THREE[0], THREE[2]], 2, Medium, 0),
            (&[THREE[0], THREE[2]], 2, High, 1),
            (&THREE[2..], 1, Low, 0),
            (&[], 3, Medium, 1),
            (&[], 2, High, 1),
            (&[], 1, High, 0),
            (&THREE, 1, High, 0),
        ] {
            let track = camera(1280, 720, announced);
            let settings = TrackSettings {
                quality: Some(quality),
                ..TrackSettings::default()
            };
            let sent = wish(&track, published, Some(&settings), Low);
            assert_eq!(
                spatial(sent),
                Some(expected),
                "{quality:?} of {announced:?}"
            );
            // Told nothing, the first quality counts.
            assert_eq!(wish(&track, published, None, quality), sent);
        }
    }

    #[test]
    fn a_bounded_layer_is_the_largest_that_is_not_too_large() {
        for (width, height, announced, layers, side, expected) in [
            (1280, 720, &THREE[..], 3, 240, 0),
            (1280, 720, &THREE, 3, 480, 1),
            (1280, 720, &[], 3, 480, 1),
            (1280, 720, &THREE, 3, 720, 2),
            (720, 1280, &[], 3, 480, 1),
            (640, 480, &[], 3, 240, 1),
            // There is nothing smaller.
            (1280, 720, &[], 1, 240, 0),
            (1920, 1080, &[], 2, 480, 0),
        ] {
            let track = camera(width, height, announced);
            assert_eq!(
                layer_within(&track, layers, side),
                Layer(expected),
                "{width}x{height} in {layers} within {side}"
            );
        }
    }

    #[test]
    fn what_is_not_shown_is_not_sent() {
        let settings = TrackSettings {
            disabled: true,
            width: 320,
            height: 180,
            ..TrackSettings::default()
        };
        let track = camera(1280, 720, &THREE);
        assert_eq!(
            wish(&track, 3, Some(&settings), VideoQuality::High),
            Wish::Paused
        );
    }

    #[test]
    fn few_frames_are_few_temporal_layers() {
        for (fps, expected) in [
            (0, ALL_FRAMES),
            (1, 0),
            (15, 0),
            (16, 1),
            (24, 1),
            (25, ALL_FRAMES),
            (60, ALL_FRAMES),
        ] {
            assert_eq!(temporal_layer(MediaKind::Video, fps), expected, "{fps}");
            assert_eq!(temporal_layer(MediaKind::Audio, fps), ALL_FRAMES, "{fps}");
        }
    }
}
