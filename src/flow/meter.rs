//! Counters that the engine keeps while rows move: the one truth behind progress bars, metrics
//! and the report.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A counter that many tasks add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the time of one stage goes, added up over all threads and tasks.
#[derive(Debug, Default)]
pub struct Clock(Counter);

impl Clock {
    /// Adds the time since `start`.
    pub fn add_since(&self, start: Instant) {
        self.0.add(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    /// Time so far.
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.get())
    }
}

/// The counters of one table.
#[derive(Debug, Default)]
pub struct Meter {
    /// Rows and bytes that came from the source.
    pub rows_read: Counter,
    /// Bytes of record batches that came from the source.
    pub bytes_read: Counter,
    /// Rows that a transform left out because their id had occurred before.
    pub rows_deduplicated: Counter,
    /// Rows that were given another id.
    pub rows_remapped: Counter,
    /// Rows put aside because they were bad.
    pub rows_rejected: Counter,
    /// Rows left out because the target held their id already.
    pub rows_skipped: Counter,
    /// Rows that the target acknowledged.
    pub rows_written: Counter,
    /// Of those, rows that took the place of one the target held already.
    pub rows_replaced: Counter,
    /// Requests that were sent again.
    pub retries: Counter,
    /// Reader threads reading and decoding.
    pub reading: Clock,
    /// Reader threads waiting for memory, that is for the target to take rows.
    pub waiting_for_target: Clock,
    /// Workers waiting for the next batch.
    pub waiting_for_source: Clock,
    /// Workers transforming.
    pub transforming: Clock,
    /// Workers writing.
    pub writing: Clock,
    /// Set when the table is complete.
    pub done: AtomicBool,
}
