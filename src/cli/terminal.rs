//! Standard output and standard error, shared by results, log lines and progress bars.

use std::io::{self, ErrorKind, Write};
use std::sync::{PoisonError, RwLock};

use tracing_subscriber::fmt::MakeWriter;

use crate::error::{Error, Result};

/// Runs a function while nothing else draws on the terminal.
type Suspend = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

static SUSPEND: RwLock<Option<Suspend>> = RwLock::new(None);

/// Prints a result on standard output. A reader who has gone (`pipeline schema | head`) has seen
/// enough: that is no error.
///
/// # Errors
/// When standard output can't be written for another reason, for example a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut written = Ok(());
    alone(&mut || {
        let mut stdout = io::stdout().lock();
        written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    });
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::target("Cannot write to standard output").because(error))
        }
        _ => Ok(()),
    }
}

/// Lets log lines and results pass a progress display: from now on they are written within
/// `suspend`, until the guard is dropped. `suspend` must not log.
#[must_use = "the display is forgotten when the guard is dropped"]
pub fn share(suspend: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Shared {
    *SUSPEND.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(suspend));
    Shared(())
}

/// Keeps the terminal shared with a progress display; see [`share`].
pub struct Shared(());

impl Drop for Shared {
    fn drop(&mut self) {
        *SUSPEND.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn alone(write: &mut dyn FnMut()) {
    match &*SUSPEND.read().unwrap_or_else(PoisonError::into_inner) {
        Some(suspend) => suspend(write),
        None => write(),
    }
}

/// Standard error, for log lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut written = Ok(line.len());
        alone(&mut || written = io::stderr().lock().write_all(line).map(|()| line.len()));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Stderr;

    fn make_writer(&self) -> Stderr {
        Stderr
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn lines_are_written_while_the_display_is_suspended() {
        let suspended = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&suspended);
        let shared = share(move |write| {
            count.fetch_add(1, Ordering::Relaxed);
            write();
        });
        Stderr.write_all(b"").expect("nothing to write");
        Stderr.write_all(b"a line beside a display\n").expect("stderr can be written");
        drop(shared);
        Stderr.write_all(b"a line after it\n").expect("stderr can be written");
        assert_eq!(suspended.load(Ordering::Relaxed), 1);
    }
}
