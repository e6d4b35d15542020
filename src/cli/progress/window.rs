//! The pace of the last few seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::flow::{Times, Totals};

/// How far back the pace looks: long enough that single batches don't show, short enough that a
/// change does.
const SPAN: Duration = Duration::from_secs(10);
/// Samples closer together than this are not kept.
const STEP: Duration = Duration::from_millis(500);

/// Counters at several moments of the last few seconds.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<(Instant, Totals)>,
}

/// How fast rows move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub rows_per_s: f64,
    pub bytes_per_s: f64,
    /// Where the time went.
    pub times: Times,
}

impl Window {
    /// Takes the counters of this moment, and gives the pace since the oldest one kept. There is
    /// none before half a second has passed.
    pub fn pace(&mut self, now: Instant, totals: Totals) -> Option<Pace> {
        while self.samples.len() > 1 && now.duration_since(self.samples[0].0) > SPAN {
            self.samples.pop_front();
        }
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= STEP) {
            self.samples.push_back((now, totals));
        }
        let (since, earlier) = self.samples.front()?;
        let seconds = now.duration_since(*since).as_secs_f64();
        (seconds >= STEP.as_secs_f64()).then(|| Pace {
            rows_per_s: totals.rows_done().saturating_sub(earlier.rows_done()) as f64 / seconds,
            bytes_per_s: totals.bytes_read.saturating_sub(earlier.bytes_read) as f64 / seconds,
            times: totals.times.since(&earlier.times),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(rows: u64) -> Totals {
        Totals { rows_written: rows, bytes_read: rows * 100, ..Totals::default() }
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut window = Window::default();
        assert!(window.pace(start, totals(0)).is_none());
        let mut pace = None;
        // A thousand rows a second for ten seconds, then a hundred for twenty.
        for tenth in 1..=300u64 {
            let rows = if tenth <= 100 { tenth * 100 } else { 10_000 + (tenth - 100) * 10 };
            pace = window.pace(start + Duration::from_millis(tenth * 100), totals(rows));
        }
        let pace = pace.expect("half a second has passed");
        assert!((pace.rows_per_s - 100.0).abs() < 1.0, "{pace:?}");
        assert!((pace.bytes_per_s - 10_000.0).abs() < 100.0, "{pace:?}");
        assert!(window.samples.len() <= 22, "{}", window.samples.len());
    }
}
