//! The numbers a node shows to Prometheus, read back.

/// One reading of `/metrics`.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<Sample>,
}

/// One line of it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// Its labels as they stand in the line, without the braces.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

impl Metrics {
    /// Reads Prometheus' text format; lines that are no samples are passed over.
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(sample);
        Self {
            samples: samples.collect(),
        }
    }

    /// The sum over all samples of one metric.
    pub fn total(&self, name: &str) -> f64 {
        self.sum(|sample| sample.name == name)
    }

    /// The sum over what counts things that were dropped or refused, whatever the reason.
    pub fn dropped(&self) -> f64 {
        self.sum(|sample| sample.name.contains("dropped") && sample.name.ends_with("_total"))
    }

    /// What one metric counted for one reason, or outcome.
    pub fn of(&self, name: &str, reason: &str) -> f64 {
        let label = format!("=\"{reason}\"");
        self.sum(|sample| sample.name == name && sample.labels.ends_with(&label))
    }

    /// The sum over the samples that `choose` picks.
    pub fn sum(&self, choose: impl Fn(&Sample) -> bool) -> f64 {
        self.samples
            .iter()
            .filter(|sample| choose(sample))
            .map(|sample| sample.value)
            .sum()
    }

    /// All samples.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Sample {
        name: name.to_owned(),
        labels: labels.to_owned(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_their_labels() {
        let text =
            "# HELP a\na_dropped_total{reason=\"x y\"} 2\na_dropped_total{reason=\"z\"} 3\nb 1.5\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.dropped(), 5.0);
        assert_eq!(metrics.total("b"), 1.5);
        assert_eq!(metrics.of("a_dropped_total", "z"), 3.0);
        assert_eq!(metrics.sum(|sample| sample.labels.contains("x y")), 2.0);
    }
}
