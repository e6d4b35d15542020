//! Progress on a terminal: a bar for each table, and where the time goes.

use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::layout;
use crate::cli::progress::view::{Board, View};
use crate::cli::terminal::{self, Shared};
use crate::error::{Error, Result};
use crate::flow::TableState;

/// Bars shown at most; of more tables, those that move now are shown.
const SHOWN: usize = 8;
/// Width of the names before the bars, in characters.
const NAME: std::ops::RangeInclusive<usize> = 5..=16;

pub(super) struct Bars {
    tables: Vec<ProgressBar>,
    /// All tables together, where there are several.
    all: Option<ProgressBar>,
    times: ProgressBar,
    screen: MultiProgress,
    _shared: Shared,
}

impl Bars {
    pub fn new(board: &Board) -> Result<Self> {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let names = board.tables().iter().map(|table| table.plan.source.name.chars().count());
        let name = names.max().unwrap_or(0).clamp(*NAME.start(), *NAME.end());
        let wrong = |error| Error::internal("A progress bar's template is wrong").because(error);
        let bar_style = ProgressStyle::with_template(&format!(
            "{{prefix:{name}!}} {{bar:12.cyan/dim}} {{percent:>3}}% {{wide_msg}}"
        ))
        .map_err(wrong)?
        .progress_chars(if layout::unicode() { "━╸─" } else { "=>-" });
        let times_style = ProgressStyle::with_template("{wide_msg:.dim}").map_err(wrong)?;
        let bar = || screen.add(ProgressBar::new(0).with_style(bar_style.clone()));
        let several = board.tables().len() > 1;
        let bars = Bars {
            tables: (0..board.tables().len().min(SHOWN)).map(|_| bar()).collect(),
            all: several.then(bar),
            times: screen.add(ProgressBar::new(0).with_style(times_style)),
            _shared: terminal::share({
                let screen = screen.clone();
                move |write| screen.suspend(write)
            }),
            screen: screen.clone(),
        };
        Ok(bars)
    }

    pub fn show(&self, board: &mut Board, now: Instant) {
        for (bar, n) in self.tables.iter().zip(shown(board)) {
            let view = board.table(n, now);
            draw(bar, &layout::clean(&board.tables()[n].plan.source.name), &view, view.text());
        }
        let all = board.all(now);
        if let Some(bar) = &self.all {
            draw(bar, "all", &all, format!("{}, {}", board.tables_done(), all.text()));
        }
        self.times.set_message(all.times().unwrap_or_default());
    }

    /// Leaves nothing behind: the results are printed next.
    pub fn clear(&self) {
        // The terminal may be gone, and then nothing is left to clear.
        let _ = self.screen.clear();
        // What the bars still want to draw, now or when they are dropped, goes nowhere.
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }
}

fn draw(bar: &ProgressBar, name: &str, view: &View, text: String) {
    bar.set_prefix(name.to_owned());
    bar.set_length(view.rows.max(1));
    bar.set_position(if view.rows == 0 { 1 } else { view.rows_done });
    bar.set_message(text);
}

/// All tables in order if they fit, else those in work, then those that wait, then the others.
fn shown(board: &Board) -> Vec<usize> {
    let tables = board.tables();
    let mut order: Vec<usize> = (0..tables.len()).collect();
    if tables.len() > SHOWN {
        order.sort_by_key(|&n| match tables[n].state() {
            TableState::Moving | TableState::Completing => 0,
            TableState::Waiting => 1,
            TableState::Done | TableState::LeftAlone => 2,
        });
        order.truncate(SHOWN);
    }
    order
}
