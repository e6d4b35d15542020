//! The thread that writes the journal. Changes that come while it writes go into one commit, so
//! many workers share one wait for the disk; changes that nobody waits for do not wake it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::lock::Lock;
use super::progress::{Change, Ended};
use super::store::Store;
use crate::error::{Error, Result};
use crate::flow::blocking;

/// How long a change that nobody waits for may stay in memory.
const LAZY: Duration = Duration::from_millis(200);

/// The journal of a run at work. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Journal(Option<Arc<Writer>>);

#[derive(Debug)]
struct Writer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    /// Held as long as something may be written.
    _lock: Lock,
}

/// Where changes lie until they are written.
#[derive(Debug, Default)]
struct Desk {
    slips: Mutex<Slips>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Slips {
    /// A later change about the same takes the place of an earlier one, so these stay few.
    changes: BTreeMap<About, Change>,
    /// Since when changes have been lying here.
    since: Option<Instant>,
    /// Those who wait until all that lies here is durable.
    waiting: Vec<oneshot::Sender<Result<()>>>,
    /// True once nothing more will come.
    closed: bool,
    /// True once nobody writes any more.
    left: bool,
}

impl Journal {
    /// A journal that forgets: for runs that nobody goes on with.
    pub fn none() -> Journal {
        Journal(None)
    }

    pub(super) fn start(store: Store, path: PathBuf, lock: Lock) -> Result<Journal> {
        let desk = Arc::new(Desk::default());
        let scribe = Scribe { store, path, desk: Arc::clone(&desk) };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || scribe.write_all())
            .map_err(|error| Error::internal("Cannot start the journal").because(error))?;
        Ok(Journal(Some(Arc::new(Writer { desk, thread: Some(thread), _lock: lock }))))
    }

    /// Writes a change down; it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn record(&self, change: Change) -> Result<()> {
        self.record_all(vec![change]).await
    }

    /// Writes changes down, all or none of them; they are durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn record_all(&self, changes: Vec<Change>) -> Result<()> {
        let Some(writer) = &self.0 else { return Ok(()) };
        let (done, written) = oneshot::channel();
        writer.desk.put(changes, Some(done));
        written.await.unwrap_or_else(|_| Err(Error::internal("The journal ended before the run")))
    }

    /// Waits until all that was noted is durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn settle(&self) -> Result<()> {
        self.record_all(Vec::new()).await
    }

    /// Writes a change down with the next one that somebody waits for, or soon.
    pub fn note(&self, change: Change) {
        if let Some(writer) = &self.0 {
            writer.desk.put([change], None);
        }
    }

    /// Notes how the run ended. What was noted before is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn end(self, how: Ended) -> Result<()> {
        self.record(Change::Ended(how)).await?;
        // The thread is waited for where waiting is allowed.
        blocking(move || {
            drop(self);
            Ok(())
        })
        .await
    }
}

impl Desk {
    fn put(
        &self,
        changes: impl IntoIterator<Item = Change>,
        done: Option<oneshot::Sender<Result<()>>>,
    ) {
        let mut slips = self.slips();
        // Without a writer whoever waits is told so, by being dropped.
        if slips.left {
            return;
        }
        slips.changes.extend(changes.into_iter().map(|change| (About::of(&change), change)));
        let first = slips.since.is_none();
        slips.since.get_or_insert_with(Instant::now);
        if first || done.is_some() {
            self.came.notify_one();
        }
        slips.waiting.extend(done);
    }

    fn slips(&self) -> MutexGuard<'_, Slips> {
        self.slips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.desk.slips().closed = true;
        self.desk.came.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a change is about: a later one about the same takes the place of an earlier one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Begun(usize),
    Prepared(usize),
    Split(usize, usize),
    Completed(usize),
    Ended,
}

impl About {
    fn of(change: &Change) -> About {
        match *change {
            Change::Begun(target) => About::Begun(target),
            Change::Prepared(target, _) => About::Prepared(target),
            Change::Split(target, split, _) => About::Split(target, split),
            Change::Completed(target, _) => About::Completed(target),
            Change::Ended(_) => About::Ended,
        }
    }
}

/// Who writes.
struct Scribe {
    store: Store,
    path: PathBuf,
    desk: Arc<Desk>,
}

impl Scribe {
    fn write_all(mut self) {
        let desk = Arc::clone(&self.desk);
        let mut slips = desk.slips();
        loop {
            let left = slips.since.map(|since| LAZY.saturating_sub(since.elapsed()));
            let due = slips.closed || !slips.waiting.is_empty() || left == Some(Duration::ZERO);
            if !due {
                slips = match left {
                    None => desk.came.wait(slips).unwrap_or_else(PoisonError::into_inner),
                    Some(left) => {
                        let waited = desk.came.wait_timeout(slips, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                continue;
            }
            let changes = std::mem::take(&mut slips.changes);
            let waiting = std::mem::take(&mut slips.waiting);
            let closed = slips.closed;
            slips.since = None;
            drop(slips);
            let written = match changes.is_empty() {
                true => Ok(()),
                false => self.store.write(changes.values()),
            };
            let refused = written.is_err();
            answer(waiting, written, &self.path);
            if closed {
                return;
            }
            slips = desk.slips();
            if refused {
                // Kept, and tried again with the next ones, which know better.
                for (about, change) in changes {
                    slips.changes.entry(about).or_insert(change);
                }
                slips.since = Some(Instant::now());
            }
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        let mut slips = self.desk.slips();
        slips.left = true;
        slips.waiting.clear();
    }
}

/// Tells all who wait. The first one hears the whole story.
fn answer(waiting: Vec<oneshot::Sender<Result<()>>>, written: Result<()>, path: &Path) {
    let refused = written.is_err();
    let mut error = written.err().map(|error| error.at(path.display()));
    for done in waiting {
        let _ = done.send(match error.take() {
            Some(error) => Err(error),
            None if refused => Err(Error::internal("Cannot write the journal").at(path.display())),
            None => Ok(()),
        });
    }
}
