//! What the contracts need to drive sources and sinks.

use std::future::Future;
use std::time::Duration;

/// Generous: only a hang is ever longer.
const HANG: Duration = Duration::from_secs(60);

/// Fails the test, rather than blocking it for ever, when `work` hangs.
pub async fn no_hang<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, work).await.expect("it hangs")
}
