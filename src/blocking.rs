//! Blocking work that an async task waits for.

use crate::error::{Error, Result};

/// Runs `work` on a thread where blocking is allowed. A panic of it becomes an error.
///
/// Dropping the returned future does not stop the work: it runs to its end, and what it returns is
/// dropped then. Guards that clean up belong into the work's own values.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(crash) if crash.is_panic() => Err(Error::panicked("File work", &*crash.into_panic())),
        Err(_) => Err(Error::interrupted()),
    }
}
