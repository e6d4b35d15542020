//! Progress while rows move: bars on a terminal, else a line every few seconds. A task looks at the
//! engine's counters now and then; the engine knows nothing of it.

mod bars;
mod view;
mod window;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::cli::args::{LogArgs, LogFormat};
use crate::error::Result;
use crate::flow::TableRun;
use crate::words;
use bars::Bars;
use view::Board;

const BARS_EVERY: Duration = Duration::from_millis(200);
const LINES_EVERY: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Not at all.
    None,
    /// A log line now and then.
    Lines,
    /// Log lines for programs.
    Json,
    /// Bars that are drawn over and over.
    Bars,
}

impl Style {
    /// What suits the flags and where standard error goes.
    pub fn choose(log: &LogArgs) -> Style {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match log {
            LogArgs { quiet: true, .. } => Style::None,
            LogArgs { log_format: LogFormat::Json, .. } => Style::Json,
            _ if std::io::stderr().is_terminal() && !dumb => Style::Bars,
            _ => Style::Lines,
        }
    }
}

/// A display that runs beside the engine.
pub(super) struct Progress {
    task: Option<JoinHandle<()>>,
    end: CancellationToken,
}

impl Progress {
    /// Starts to show how `tables` get on.
    pub fn start(tables: &[Arc<TableRun>], style: Style) -> Result<Self> {
        let end = CancellationToken::new();
        let board = Board::new(tables.to_vec());
        let task = match style {
            Style::None => None,
            Style::Bars => {
                let bars = Bars::new(&board)?;
                Some(tokio::spawn(show_bars(bars, board, end.clone())))
            }
            Style::Lines | Style::Json => {
                Some(tokio::spawn(show_lines(board, style == Style::Json, end.clone())))
            }
        };
        Ok(Progress { task, end })
    }

    /// Ends the display, so that the terminal is free for what comes next.
    pub async fn finish(self) {
        self.end.cancel();
        if let Some(task) = self.task {
            // A display that panicked has nothing left to end.
            let _ = task.await;
        }
    }
}

async fn show_bars(bars: Bars, mut board: Board, end: CancellationToken) {
    let mut ticks = ticks(BARS_EVERY);
    while tick(&mut ticks, &end).await {
        bars.show(&mut board, Instant::now());
    }
    bars.clear();
}

async fn show_lines(mut board: Board, json: bool, end: CancellationToken) {
    let mut ticks = ticks(LINES_EVERY);
    board.all(Instant::now());
    // The first tick comes at once, when there is nothing to tell yet.
    ticks.tick().await;
    while tick(&mut ticks, &end).await {
        let all = board.all(Instant::now());
        let tables = (board.tables().len() > 1).then(|| format!("{}, ", board.tables_done()));
        let times = all.times().map(|times| format!(" ({times})")).unwrap_or_default();
        let percent = all.percent();
        let text = format!(
            "Progress {percent:.0} %: {}{} of {}, {}{times}",
            tables.unwrap_or_default(),
            words::short(all.rows_done as f64),
            words::plural(all.rows, "row"),
            all.text()
        );
        if json {
            tracing::info!(
                rows_done = all.rows_done,
                rows = all.rows,
                rows_per_s = all.pace.map(|pace| pace.rows_per_s.round()),
                bytes_per_s = all.pace.map(|pace| pace.bytes_per_s.round()),
                seconds_left = all.left().map(|left| left.as_secs()),
                "{text}"
            );
        } else {
            tracing::info!("{text}");
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// Waits for the next tick; false when it is time to end.
async fn tick(ticks: &mut tokio::time::Interval, end: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = end.cancelled() => false,
        _ = ticks.tick() => true,
    }
}
