//! What a display says about a table, or about all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::progress::window::{Pace, Window};
use crate::flow::{TableRun, TableState, Totals};
use crate::words;

/// The tables of a run and their pace.
pub(super) struct Board {
    tables: Vec<Arc<TableRun>>,
    windows: Vec<Window>,
    all: Window,
    rows: u64,
}

/// One look at a table, or at all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub state: TableState,
    /// Rows that need no more work.
    pub rows_done: u64,
    /// Rows that the source announced.
    pub rows: u64,
    pub pace: Option<Pace>,
}

impl Board {
    pub fn new(tables: Vec<Arc<TableRun>>) -> Self {
        let windows = tables.iter().map(|_| Window::default()).collect();
        let moving = tables.iter().filter(|table| table.plan.moves());
        let rows = moving.map(|table| table.plan.source.rows).sum();
        Board { tables, windows, all: Window::default(), rows }
    }

    pub fn tables(&self) -> &[Arc<TableRun>] {
        &self.tables
    }

    /// Looks at table number `n`.
    pub fn table(&mut self, n: usize, now: Instant) -> View {
        let table = &self.tables[n];
        let state = table.state();
        let totals = table.meter.totals();
        let pace = match state {
            TableState::Moving => self.windows[n].pace(now, totals),
            _ => None,
        };
        View { state, rows_done: totals.rows_done(), rows: table.plan.source.rows, pace }
    }

    /// Looks at all tables together.
    pub fn all(&mut self, now: Instant) -> View {
        let totals: Totals = self.tables.iter().map(|table| table.meter.totals()).sum();
        let moving = self.tables.iter().filter(|table| table.plan.moves());
        let mut states = moving.map(|table| table.state()).filter(|s| *s != TableState::Done);
        let state = match states.next() {
            None => TableState::Done,
            Some(TableState::Completing) if states.all(|s| s == TableState::Completing) => {
                TableState::Completing
            }
            Some(_) => TableState::Moving,
        };
        let pace = self.all.pace(now, totals);
        View { state, rows_done: totals.rows_done(), rows: self.rows, pace }
    }

    /// Tables that are complete, of those that move: `3 of 120 tables`.
    pub fn tables_done(&self) -> String {
        let moving = self.tables.iter().filter(|table| table.plan.moves());
        let done = self.tables.iter().filter(|table| table.state() == TableState::Done);
        format!("{} of {}", done.count(), words::plural(moving.count() as u64, "table"))
    }
}

impl View {
    pub fn percent(&self) -> f64 {
        if self.rows == 0 { 100.0 } else { 100.0 * self.rows_done as f64 / self.rows as f64 }
    }

    /// Time until the last row at this pace.
    pub fn left(&self) -> Option<Duration> {
        let rows = self.rows.saturating_sub(self.rows_done) as f64;
        let seconds = self.pace.map(|pace| rows / pace.rows_per_s)?;
        Duration::try_from_secs_f64(seconds.ceil()).ok().filter(|_| rows > 0.0)
    }

    /// `512 k rows/s, 262 MB/s, 18 s left`: what a bar leaves to be said.
    pub fn text(&self) -> String {
        match (self.state, self.pace) {
            (TableState::LeftAlone, _) => "left alone".to_owned(),
            (TableState::Waiting, _) => "waiting".to_owned(),
            (TableState::Completing, _) => "completing the target".to_owned(),
            (TableState::Done, _) => "done".to_owned(),
            (TableState::Moving, None) => "started".to_owned(),
            (TableState::Moving, Some(pace)) => {
                let left = self.left().map(|left| format!(", {} left", words::whole_time(left)));
                format!(
                    "{} rows/s, {}/s{}",
                    words::short(pace.rows_per_s),
                    words::bytes(pace.bytes_per_s),
                    left.unwrap_or_default()
                )
            }
        }
    }

    /// `reading 12 %, transforming 0 %, waiting for target 85 %, for source 3 %`: short enough for
    /// one line of a terminal.
    pub fn times(&self) -> Option<String> {
        let percent = self.pace?.times.percent()?.map(|(_, percent)| percent.round());
        let [reading, transforming, target, source] = percent;
        Some(format!(
            "reading {reading} %, transforming {transforming} %, waiting for target {target} %, for source {source} %"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Times;

    #[test]
    fn a_view_reads_well() {
        let times = Times {
            reading: Duration::from_millis(1200),
            waiting_for_target: Duration::from_millis(8500),
            waiting_for_source: Duration::from_millis(300),
            ..Times::default()
        };
        let pace = Pace { rows_per_s: 512_345.0, bytes_per_s: 2.623e8, times };
        let view = View {
            state: TableState::Moving,
            rows_done: 1_234_567,
            rows: 10_000_000,
            pace: Some(pace),
        };
        assert_eq!(view.text(), "512 k rows/s, 262 MB/s, 18 s left");
        assert_eq!(
            view.times().as_deref(),
            Some("reading 12 %, transforming 0 %, waiting for target 85 %, for source 3 %")
        );
    }

    #[test]
    fn nothing_is_promised_without_a_pace() {
        let still = Pace { rows_per_s: 0.0, bytes_per_s: 0.0, times: Times::default() };
        let view = View { state: TableState::Moving, rows_done: 5, rows: 10, pace: Some(still) };
        assert_eq!(view.text(), "0 rows/s, 0 B/s");
        assert_eq!(view.times(), None);
        assert_eq!(View { rows: 0, rows_done: 0, ..view }.percent(), 100.0);
    }
}
