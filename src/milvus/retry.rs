//! Repeating calls that failed for a passing reason.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::milvus::MilvusError;

/// The pauses before each further attempt: from a tenth of a second, doubling to ten seconds,
/// jittered so that parallel writers do not come back all at once. Ends when `limit` has passed
/// since the first attempt.
pub(crate) struct Pauses {
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    began: Instant,
    limit: Duration,
}

impl Pauses {
    pub(crate) fn new(limit: Duration) -> Self {
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(10))
            .with_jitter()
            .without_max_times()
            .build();
        Pauses { delays: Box::new(delays), began: Instant::now(), limit }
    }

    /// Waits before the next attempt, and says why in the log. False: the time is up.
    pub(crate) async fn pause(&mut self, why: &MilvusError) -> bool {
        let Some(delay) = self.delays.next() else { return false };
        if self.began.elapsed() + delay > self.limit {
            return false;
        }
        tracing::warn!(reason = %why, wait_ms = delay.as_millis(), "Milvus call is tried again");
        tokio::time::sleep(delay).await;
        true
    }
}
