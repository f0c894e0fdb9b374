//! What ITU-T G.107, the E-model, makes of loss and delay: a rating of numbers, from which it
//! foretells what people would say. Nobody compares what was said with what was heard.

use std::time::Duration;

/// With all defaults: nothing is lost and nothing late.
const BEST: f64 = 93.2;
/// G.113 knows Opus not. Taken as unimpaired while nothing is lost, and as robust against loss
/// as between G.711 without concealment (4.3) and with it (25.1).
const LOSS_ROBUSTNESS: f64 = 10.0;

/// The rating R of a connection that loses this share of its frames, 0 to 1, and takes so long
/// from mouth to ear; no delay rates listening alone.
pub fn rating(lost: f64, delay: Duration) -> f64 {
    let percent = lost * 100.0;
    BEST - 95.0 * percent / (percent + LOSS_ROBUSTNESS) - delay_impairment(delay)
}

/// What people would say of a rating, 1 to 4.5 (annex B).
pub fn opinion(rating: f64) -> f64 {
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// Of pure delay, without echo (equation 7-27).
fn delay_impairment(delay: Duration) -> f64 {
    let x = (delay.as_secs_f64() * 10.0).max(1.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0)
        + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_delay_cost_what_the_model_says() {
        for (lost, ms, expected, said) in [
            (0.0, 0, 93.2, 4.41),
            (0.0, 100, 93.2, 4.41),
            (0.0, 200, 90.2, 4.34),
            (0.0, 400, 69.1, 3.56),
            (0.03, 0, 71.3, 3.66),
            (0.01, 700, 46.1, 2.37),
            (1.0, 0, 6.8, 1.0),
        ] {
            let rating = rating(lost, Duration::from_millis(ms));
            assert!(
                (rating - expected).abs() < 0.1,
                "{lost}, {ms} ms: R {rating}"
            );
            let opinion = opinion(rating);
            assert!((opinion - said).abs() < 0.01, "{lost}, {ms} ms: {opinion}");
        }
        assert_eq!(opinion(-40.0), 1.0);
        assert_eq!(opinion(120.0), 4.5);
    }
}
