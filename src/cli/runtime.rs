//! The async runtime under a subcommand.

use std::future::Future;

use crate::error::{Error, Result};

/// Runs `work` to its end. What it left behind in the background ends with the process.
///
/// # Errors
/// Those of `work`, and when the system refuses threads.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("Cannot start the async runtime").because(error))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
