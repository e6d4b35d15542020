//! Ctrl-C and SIGTERM: the first stops, the second ends, the third leaves.

use crate::error::{Error, Kind, Result};
use crate::flow::Controls;

/// Wires the signals to `controls`. To be called within a tokio runtime.
///
/// # Errors
/// When the system refuses.
pub(super) fn watch(controls: &Controls) -> Result<()> {
    let mut signals = Signals::new()
        .map_err(|error| Error::internal("Cannot listen for Ctrl-C").because(error))?;
    let controls = controls.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("Stopping: letting writes in flight end; again to end at once");
        controls.stop.cancel();
        signals.next().await;
        tracing::warn!("Ending at once");
        controls.cancel.cancel();
        // Only something that does not yield to the runtime is still in the way.
        signals.next().await;
        std::process::exit(i32::from(Kind::Interrupted.exit_code()));
    });
    Ok(())
}

/// SIGHUP is left alone: `nohup` relies on it being ignored.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
