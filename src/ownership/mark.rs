//! What a mark says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Process, SILENT};
use serde::{Deserialize, Serialize};

/// Which run holds a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The run's id.
    pub run: String,
    /// What it moves, for people: its configuration and the kind of its source.
    #[serde(default)]
    pub source: String,
    /// When it took the target, in seconds since 1970 by its machine's clock.
    #[serde(default)]
    pub since: u64,
    /// The process that works for it.
    #[serde(default)]
    pub process: Process,
}

/// Whether the run is at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is, as long as its mark is renewed.
    #[default]
    Working,
    /// It ended before everything had moved, and may be resumed.
    Left,
}

/// The last time that a mark was renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The run that renewed it: another one's says nothing.
    pub run: String,
    /// How often it has been.
    pub count: u64,
    /// When, in seconds since 1970 by the holder's clock.
    pub at: u64,
    /// What the holder did then.
    #[serde(default)]
    pub state: State,
}

/// A mark as it is found at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its number: the highest one of a target holds.
    pub number: u32,
    /// What it says.
    pub mark: Mark,
    /// The last time that it was renewed; none when it never was.
    pub beat: Option<Beat>,
}

impl Mark {
    /// The mark of a run of this process, which takes its targets now.
    pub fn of(run: &str, source: &str) -> Mark {
        let (run, source) = (run.to_owned(), source.to_owned());
        Mark { run, source, since: seconds_now(), process: Process::current() }
    }
}

impl Beat {
    /// One that is given now.
    pub fn now(run: &str, count: u64, state: State) -> Beat {
        Beat { run: run.to_owned(), count, at: seconds_now(), state }
    }
}

impl Placed {
    /// Seconds since 1970 of the last sign of its holder.
    pub fn last_sign(&self) -> u64 {
        self.beat.as_ref().map_or(self.mark.since, |beat| beat.at)
    }

    /// How long ago that was, by this machine's clock.
    pub fn silent_for(&self) -> Duration {
        Duration::from_secs(seconds_now().saturating_sub(self.last_sign()))
    }

    /// True when the run ended before everything had moved, and said so.
    pub fn was_left(&self) -> bool {
        self.beat.as_ref().is_some_and(|beat| beat.state == State::Left)
    }

    /// True when nothing speaks for a holder that is at work: it said that it ended, its process is
    /// known to be gone, or it has been silent for [`SILENT`].
    pub fn looks_dead(&self) -> bool {
        self.was_left()
            || self.mark.process.is_alive() == Some(false)
            || self.silent_for() >= SILENT
    }
}

/// Seconds since 1970, as marks have them.
fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(process: Process, beat: Option<Beat>) -> Placed {
        let mark = Mark { process, ..Mark::of("a", "") };
        Placed { number: 1, mark, beat }
    }

    #[test]
    fn a_holder_is_dead_when_it_says_so_is_gone_or_is_silent() {
        let here = Process::current;
        let elsewhere = || Process { host: "b".to_owned(), ..Process::default() };
        let old = Beat { at: seconds_now() - 121, ..Beat::now("a", 7, State::Working) };
        assert!(!placed(here(), None).looks_dead());
        assert!(!placed(elsewhere(), None).looks_dead());
        assert!(placed(elsewhere(), Some(old.clone())).looks_dead());
        // Stopped, perhaps: it sends nothing before it has seen its mark again.
        assert!(placed(here(), Some(old)).looks_dead());
        let gone = Process { started: 1, ..here() };
        assert!(placed(gone, Some(Beat::now("a", 1, State::Working))).looks_dead());
        assert!(placed(here(), Some(Beat::now("a", 1, State::Left))).looks_dead());
    }
}
