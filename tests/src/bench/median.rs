//! The middle of several measurements: a disturbed one does not move it.

/// The middle of `values`, which are sorted for it.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_in_the_middle() {
        for (values, expected) in [
            (&mut [3.0, 1.0, 100.0][..], 3.0),
            (&mut [4.0, 1.0], 2.5),
            (&mut [7.0], 7.0),
        ] {
            assert_eq!(median(values), expected);
        }
        assert!(median(&mut []).is_nan());
    }
}
