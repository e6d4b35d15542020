//! From a thread that blocks to a client that does not: the stores' connections live on two threads of
//! their own, so that they go on whatever the caller's thread is, and wherever it waits.

use std::future::Future;
use std::io;
use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).thread_name("store").enable_all().build()
});

/// Where work for a store runs.
///
/// # Errors
/// When the system refuses threads.
pub fn handle() -> Result<&'static Handle> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(Error::internal("Cannot start the threads that talk to object stores")
            .because(io::Error::new(error.kind(), error.to_string()))),
    }
}

/// Waits for `work`. Not for threads of an async runtime.
///
/// # Errors
/// When the system refuses threads.
pub fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    Ok(handle()?.block_on(work))
}

/// Does `work`, and waits for it a moment at most, on whatever thread.
pub fn tidy_up(work: impl Future<Output = ()> + Send + 'static) {
    let Ok(handle) = handle() else { return };
    let (done, is_done) = mpsc::channel();
    handle.spawn(async move {
        work.await;
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(Duration::from_secs(5));
}
