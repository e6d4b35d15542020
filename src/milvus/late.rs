//! Requests that a server carries out after the client gave up on them.
//!
//! A request that got no answer is ambiguous: it never arrived, or it was carried out, or it waits
//! somewhere (in a gateway that does not pass cancellation on, on a stalled path) and is carried out
//! later. The server knows a deadline (`grpc-timeout`), so "later" has an end. Whoever must not be
//! overtaken waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much later than the client the server gives up on a request.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Returns how long after it was sent a request might still be carried out. `limit` is the time the
/// client allows for its answer.
///
/// The second grace period is for the server to finish what it began just before its own deadline.
pub(crate) fn lifetime(limit: Duration) -> Duration {
    limit + 2 * GRACE
}

/// Waits until `deadline`, and says so in the log. Returns the time it took.
pub(crate) async fn wait_until(deadline: Instant) -> Duration {
    let began = Instant::now();
    if deadline <= began {
        return Duration::ZERO;
    }
    tracing::info!(
        wait_ms = (deadline - began).as_millis(),
        "Waiting until the server can no longer carry out a request that got no answer"
    );
    tokio::time::sleep_until(deadline).await;
    began.elapsed()
}

/// The ambiguous requests to one target, of which only the latest deadline matters.
#[derive(Debug)]
pub(crate) struct LateRequests {
    lifetime: Duration,
    deadline: Mutex<Option<Instant>>,
}

impl LateRequests {
    /// For requests that the client allows `limit` for.
    pub(crate) fn new(limit: Duration) -> Self {
        LateRequests { lifetime: lifetime(limit), deadline: Mutex::new(None) }
    }

    /// Notes an ambiguous request. Returns when it can no longer be carried out.
    pub(crate) fn note(&self, sent: Instant) -> Instant {
        let until = sent + self.lifetime;
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline = Some(deadline.map_or(until, |latest| latest.max(until)));
        until
    }

    /// Waits until none of the noted requests can be carried out any more. Returns at once where
    /// none was noted.
    pub(crate) async fn wait(&self) {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deadline) = deadline {
            wait_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_latest_deadline_is_waited_for_and_nothing_without_one() {
        let began = Instant::now();
        let late = LateRequests::new(Duration::from_secs(3));
        late.wait().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(late.note(began + Duration::from_secs(1)), began + Duration::from_secs(6));
        late.note(began);
        late.wait().await;
        // The runtime's clock counts in milliseconds.
        let waited = began.elapsed();
        assert!((6_000..6_010).contains(&waited.as_millis()), "{waited:?}");
        late.wait().await;
        assert_eq!(began.elapsed(), waited);
    }
}
