//! Gives the packets (or pictures) picked from several sources one gapless row of
//! numbers, and leaves a number open for each that is missing but may still come.
//!
//! Kept as runs: within one, output and input numbers advance together.

use std::collections::VecDeque;

use media::Layer;

/// The numbers of one subscriber's stream, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    runs: VecDeque<Run>,
    /// The newest input number decided on.
    newest: u64,
    /// The next output number.
    next: u64,
}

/// From here on `output - input` is the same, up to the next run.
#[derive(Clone, Copy, Debug)]
struct Run {
    source: Source,
    input: u64,
    output: u64,
}

/// Where numbered packets come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Layer(Layer),
    /// Made here; nobody can ask for them again.
    Own,
}

impl Numbering {
    /// Goes on with `layer` from `input`. The first of all keeps its number.
    pub(crate) fn begin(&mut self, layer: Layer, input: u64) {
        if self.runs.is_empty() && self.next == 0 {
            self.next = input;
        }
        self.newest = input - 1;
        let output = self.next;
        self.push(Run {
            source: Source::Layer(layer),
            input,
            output,
        });
    }

    /// The next number, for a packet that has no input number. After it has to follow a
    /// [beginning](Self::begin).
    pub(crate) fn insert(&mut self) -> u64 {
        let output = self.next;
        if self.runs.back().is_none_or(|run| run.source != Source::Own) {
            self.push(Run {
                source: Source::Own,
                input: self.newest + 1,
                output,
            });
        }
        self.next += 1;
        output
    }

    /// The newest input number decided on since [`begin`](Self::begin).
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// The next output number.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Numbers `input`, newer than all before. What lies between is left open.
    pub(crate) fn take(&mut self, input: u64) -> u64 {
        self.leave_open(input);
        self.newest = input;
        self.next += 1;
        self.next - 1
    }

    /// Leaves `input`, newer than all before, out without a gap.
    pub(crate) fn skip(&mut self, input: u64) {
        self.leave_open(input);
        self.newest = input;
        let output = self.next;
        let Some(run) = self.runs.back_mut() else {
            return;
        };
        if run.output == output {
            run.input = input + 1;
            return;
        }
        let source = run.source;
        let input = input + 1;
        self.push(Run {
            source,
            input,
            output,
        });
    }

    /// Leaves the numbers before `input`, newer than all before, open.
    pub(crate) fn leave_open(&mut self, input: u64) {
        self.next = self.peek(input);
    }

    /// The number `input` would get, newer than all before.
    pub(crate) fn peek(&self, input: u64) -> u64 {
        match self.runs.back() {
            Some(run) if run.source != Source::Own => run.output + input.saturating_sub(run.input),
            Some(_) | None => self.next,
        }
    }

    /// The number of `input`, taken or left open earlier; `None` if it was left out,
    /// came before the start, or is forgotten.
    pub(crate) fn find(&self, layer: Layer, input: u64) -> Option<u64> {
        let mut end = self.next;
        for run in self.runs.iter().rev() {
            if run.source == Source::Layer(layer) && run.input <= input {
                let output = run.output + (input - run.input);
                return (output < end).then_some(output);
            }
            end = run.output;
        }
        None
    }

    /// Where the packet of an output number came from.
    pub(crate) fn origin(&self, output: u64) -> Option<(Layer, u64)> {
        if output >= self.next {
            return None;
        }
        let run = self.runs.iter().rfind(|run| run.output <= output)?;
        match run.source {
            Source::Layer(layer) => Some((layer, run.input + (output - run.output))),
            Source::Own => None,
        }
    }

    fn push(&mut self, run: Run) {
        if self.runs.len() == MAX_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }
}

/// At 15 frames a second left out, more than eight seconds: longer than packets are cached.
const MAX_RUNS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_leaves_no_gap_and_what_is_missing_does() {
        let mut numbers = Numbering::default();
        numbers.begin(Layer::LOW, 100);
        assert_eq!(numbers.take(100), 100);
        numbers.skip(101);
        numbers.skip(102);
        assert_eq!(numbers.take(103), 101);
        assert_eq!(numbers.take(106), 104); // 104 and 105 are missing
        numbers.skip(108); // 107 is missing
        assert_eq!(numbers.take(109), 106);
        for (input, expected) in [
            (99, None),
            (100, Some(100)),
            (101, None),
            (102, None),
            (103, Some(101)),
            (104, Some(102)),
            (105, Some(103)),
            (106, Some(104)),
            (107, Some(105)),
            (108, None),
            (109, Some(106)),
            (110, None),
        ] {
            assert_eq!(numbers.find(Layer::LOW, input), expected, "{input}");
            assert_eq!(numbers.find(Layer::HIGH, input), None);
            if let Some(output) = expected {
                assert_eq!(numbers.origin(output), Some((Layer::LOW, input)));
            }
        }
        assert_eq!(numbers.origin(107), None);
    }

    #[test]
    fn sb_7_each_layer_keeps_its_numbers_across_switches() {
        let mut numbers = Numbering::default();
        numbers.begin(Layer::LOW, 10);
        numbers.take(10);
        numbers.take(12); // 11 is missing
        numbers.begin(Layer::HIGH, 500);
        assert_eq!(numbers.take(500), 13);
        numbers.begin(Layer::LOW, 20);
        assert_eq!(numbers.take(20), 14);
        for (layer, input, expected) in [
            (Layer::LOW, 11, Some(11)),
            (Layer::LOW, 13, None), // after the switch away
            (Layer::LOW, 19, None), // before the switch back
            (Layer::LOW, 20, Some(14)),
            (Layer::HIGH, 499, None),
            (Layer::HIGH, 500, Some(13)),
            (Layer::HIGH, 501, None),
        ] {
            assert_eq!(numbers.find(layer, input), expected, "{layer:?} {input}");
        }
    }

    #[test]
    fn sb_8_inserted_packets_take_numbers_of_nobody_else() {
        let mut numbers = Numbering::default();
        numbers.begin(Layer::LOW, 10);
        numbers.take(10);
        numbers.take(12); // 11 is missing
        assert_eq!([numbers.insert(), numbers.insert()], [13, 14]);
        numbers.begin(Layer::LOW, 15);
        assert_eq!(numbers.take(15), 15);
        numbers.skip(16);
        assert_eq!(numbers.take(17), 16);
        for (input, expected) in [
            (11, Some(11)),
            (13, None), // came after the end
            (14, None),
            (15, Some(15)),
            (16, None),
            (17, Some(16)),
        ] {
            assert_eq!(numbers.find(Layer::LOW, input), expected, "{input}");
        }
        let origins = [12, 13, 14, 15, 16].map(|output| numbers.origin(output));
        let origins = origins.map(|origin| origin.map(|(_, input)| input));
        assert_eq!(origins, [Some(12), None, None, Some(15), Some(17)]);
    }

    #[test]
    fn runs_are_bounded() {
        let mut numbers = Numbering::default();
        numbers.begin(Layer::LOW, 1);
        for input in 1..10_000 {
            if input % 2 == 0 {
                numbers.skip(input);
            } else {
                numbers.take(input);
            }
        }
        assert_eq!(numbers.runs.len(), MAX_RUNS);
        assert_eq!(numbers.find(Layer::LOW, 1), None);
        assert_eq!(numbers.find(Layer::LOW, 9999), Some(5000));
    }
}
