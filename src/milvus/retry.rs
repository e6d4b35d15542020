//! Repeating calls that failed for a passing reason.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

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

    /// Does not count a span of time, in which nothing was tried.
    pub(crate) fn leave_out(&mut self, span: Duration) {
        self.began += span;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> MilvusError {
        MilvusError::Settings("any".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_to_ten_seconds_and_end_with_the_limit() {
        let limit = Duration::from_secs(600);
        let mut pauses = Pauses::new(limit);
        let began = Instant::now();
        let mut all = Vec::new();
        loop {
            let since = Instant::now();
            if !pauses.pause(&refusal()).await {
                break;
            }
            all.push(since.elapsed());
        }
        // A jitter of up to the pause itself is added.
        let mut expected = Duration::from_millis(100);
        for pause in &all {
            assert!((expected..=expected * 2).contains(pause), "{pause:?} not {expected:?}");
            expected = (expected * 2).min(Duration::from_secs(10));
        }
        let spent = began.elapsed();
        assert!(spent <= limit && spent > limit - Duration::from_secs(20), "{spent:?}");
        assert!(all.windows(2).any(|two| two[0].as_secs() >= 10 && two[0] != two[1]), "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_is_left_out_does_not_count() {
        let mut pauses = Pauses::new(Duration::from_secs(1));
        let hour = Duration::from_secs(3600);
        tokio::time::sleep(hour).await;
        pauses.leave_out(hour);
        assert!(pauses.pause(&refusal()).await);
        tokio::time::sleep(hour).await;
        assert!(!pauses.pause(&refusal()).await);
    }
}
