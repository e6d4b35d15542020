//! What a refused run says.

use std::time::Duration;

use super::Placed;
use crate::error::Error;
use crate::words;

/// The error of a run that finds this mark at a target that it wants.
pub fn held(target: &str, placed: &Placed) -> Error {
    let error =
        Error::held(format!("Another run holds the target: {}", words_of(placed))).at(target);
    match placed.looks_dead() {
        true => error.help("to finish it, run its own command again; to take the target from it, add --take-over; `pipeline clean` lists what it left"),
        false => error.help("nothing was changed: let it end first, then run again. If it is dead, --take-over takes the target when it was silent for two minutes"),
    }
}

/// The error of a run that is to be resumed and has not held its target all the time.
pub(super) fn not_kept(target: &str) -> Error {
    Error::target(
        "The interrupted run can't be resumed: another run took its target over meanwhile, or its mark was removed",
    )
    .at(target)
    .help("rows of both may be there: start again with --restart, and mode: overwrite, or on_conflict: skip or upsert")
}

/// A mark in words: `run 6928… of hdf5 a.h5, which began at … (process 17 on host x), …`.
pub fn words_of(placed: &Placed) -> String {
    let mark = &placed.mark;
    if mark.run.is_empty() {
        return "its mark names no run".to_owned();
    }
    let mut text = format!("run {}", mark.run);
    if !mark.source.is_empty() {
        text.push_str(&format!(" of {}", mark.source));
    }
    if mark.since > 0 {
        text.push_str(&format!(", since {}", words::moment_of(mark.since)));
    }
    if mark.process.pid != 0 {
        text.push_str(&format!(" (process {} on {})", mark.process.pid, mark.process.host));
    }
    format!("{text}, {}", state_of(placed))
}

/// Whether the run of a mark is at work: `at work now`, `whose process is gone; …`.
pub fn state_of(placed: &Placed) -> String {
    let silent = words::whole_time(placed.silent_for());
    match placed.looks_dead() {
        _ if placed.was_left() => format!("which ended {silent} ago and is not finished"),
        true if placed.mark.process.is_alive() == Some(false) => {
            format!("whose process is gone; last sign {silent} ago")
        }
        true => format!("of which there has been no sign for {silent}"),
        false if placed.silent_for() < Duration::from_secs(2) => "at work now".to_owned(),
        false => format!("at work {silent} ago"),
    }
}
