//! Counters that the engine keeps while rows move: the one truth behind progress bars, metrics
//! and the report.

use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

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
    /// Rows that a transform left out because their id occurs again.
    pub rows_deduplicated: Counter,
    /// Rows that were given a new id.
    pub rows_remapped: Counter,
    /// Rows put aside because they were bad.
    pub rows_rejected: Counter,
    /// Rows left out because the target held their id already.
    pub rows_skipped: Counter,
    /// Rows that the target acknowledged.
    pub rows_written: Counter,
    /// Of those, rows that took the place of one the target held already.
    pub rows_replaced: Counter,
    /// Of the skipped and the replaced, those that an interrupted run may have written.
    pub rows_uncertain: Counter,
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

impl Meter {
    /// Adds counts of rows, bytes and retries; times are the clocks' own.
    pub fn add(&self, totals: &Totals) {
        self.rows_read.add(totals.rows_read);
        self.bytes_read.add(totals.bytes_read);
        self.rows_deduplicated.add(totals.rows_deduplicated);
        self.rows_remapped.add(totals.rows_remapped);
        self.rows_rejected.add(totals.rows_rejected);
        self.rows_skipped.add(totals.rows_skipped);
        self.rows_written.add(totals.rows_written);
        self.rows_replaced.add(totals.rows_replaced);
        self.rows_uncertain.add(totals.rows_uncertain);
        self.retries.add(totals.retries);
    }

    /// All counters at this moment. They are read one after the other, so that a total may be a
    /// batch ahead of another while rows move.
    pub fn totals(&self) -> Totals {
        Totals {
            rows_read: self.rows_read.get(),
            bytes_read: self.bytes_read.get(),
            rows_deduplicated: self.rows_deduplicated.get(),
            rows_remapped: self.rows_remapped.get(),
            rows_rejected: self.rows_rejected.get(),
            rows_skipped: self.rows_skipped.get(),
            rows_written: self.rows_written.get(),
            rows_replaced: self.rows_replaced.get(),
            rows_uncertain: self.rows_uncertain.get(),
            retries: self.retries.get(),
            times: Times {
                reading: self.reading.get(),
                transforming: self.transforming.get(),
                waiting_for_target: self.waiting_for_target.get() + self.writing.get(),
                waiting_for_source: self.waiting_for_source.get(),
            },
        }
    }
}

/// The counters of a [`Meter`], or of several added up, at one moment. The journal keeps them, but
/// for the times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of `Meter`")]
pub struct Totals {
    pub rows_read: u64,
    pub bytes_read: u64,
    pub rows_deduplicated: u64,
    pub rows_remapped: u64,
    pub rows_rejected: u64,
    pub rows_skipped: u64,
    pub rows_written: u64,
    pub rows_replaced: u64,
    pub rows_uncertain: u64,
    pub retries: u64,
    #[serde(skip)]
    pub times: Times,
}

impl Totals {
    /// False for numbers beyond what any disk holds, whose sums might not fit.
    pub(in crate::flow) fn is_plausible(&self) -> bool {
        const MOST: u64 = 1 << 53;
        let Totals { rows_read, bytes_read, rows_deduplicated, rows_remapped, .. } = *self;
        let Totals { rows_rejected, rows_skipped, rows_written, .. } = *self;
        let Totals { rows_replaced, rows_uncertain, retries, .. } = *self;
        [rows_read, bytes_read, rows_deduplicated, rows_remapped, rows_rejected]
            .into_iter()
            .chain([rows_skipped, rows_written, rows_replaced, rows_uncertain, retries])
            .all(|number| number <= MOST)
    }

    /// Rows that came out of the transforms.
    pub fn rows_transformed(&self) -> u64 {
        self.rows_read.saturating_sub(self.rows_deduplicated + self.rows_rejected)
    }

    /// Rows that need no more work: written, or left out for one of the reasons there are.
    pub fn rows_done(&self) -> u64 {
        self.rows_written + self.rows_skipped + self.rows_rejected + self.rows_deduplicated
    }
}

impl Add for Totals {
    type Output = Totals;

    fn add(self, other: Totals) -> Totals {
        Totals {
            rows_read: self.rows_read + other.rows_read,
            bytes_read: self.bytes_read + other.bytes_read,
            rows_deduplicated: self.rows_deduplicated + other.rows_deduplicated,
            rows_remapped: self.rows_remapped + other.rows_remapped,
            rows_rejected: self.rows_rejected + other.rows_rejected,
            rows_skipped: self.rows_skipped + other.rows_skipped,
            rows_written: self.rows_written + other.rows_written,
            rows_replaced: self.rows_replaced + other.rows_replaced,
            rows_uncertain: self.rows_uncertain + other.rows_uncertain,
            retries: self.retries + other.retries,
            times: Times {
                reading: self.times.reading + other.times.reading,
                transforming: self.times.transforming + other.times.transforming,
                waiting_for_target: self.times.waiting_for_target + other.times.waiting_for_target,
                waiting_for_source: self.times.waiting_for_source + other.times.waiting_for_source,
            },
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        *self = *self + other;
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Totals>>(totals: I) -> Totals {
        totals.fold(Totals::default(), Add::add)
    }
}

/// Where the time of all reader threads and workers goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Reader threads reading and decoding.
    pub reading: Duration,
    /// Workers transforming.
    pub transforming: Duration,
    /// Readers waiting for memory or a slow worker, and workers waiting for an acknowledgement.
    pub waiting_for_target: Duration,
    /// Workers waiting for the next batch.
    pub waiting_for_source: Duration,
}

impl Times {
    /// Each time with its name, in the order of the stages.
    pub fn named(&self) -> [(&'static str, Duration); 4] {
        [
            ("reading", self.reading),
            ("transforming", self.transforming),
            ("waiting for the target", self.waiting_for_target),
            ("waiting for the source", self.waiting_for_source),
        ]
    }

    /// What has been added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Times) -> Times {
        Times {
            reading: self.reading.saturating_sub(earlier.reading),
            transforming: self.transforming.saturating_sub(earlier.transforming),
            waiting_for_target: self.waiting_for_target.saturating_sub(earlier.waiting_for_target),
            waiting_for_source: self.waiting_for_source.saturating_sub(earlier.waiting_for_source),
        }
    }

    /// Percent of the whole that each time takes, with its name; `None` when no time was taken.
    pub fn percent(&self) -> Option<[(&'static str, f64); 4]> {
        let whole: Duration = self.named().iter().map(|(_, time)| *time).sum();
        (!whole.is_zero()).then(|| {
            self.named()
                .map(|(name, time)| (name, 100.0 * time.as_secs_f64() / whole.as_secs_f64()))
        })
    }
}
