//! The thread that writes the journal. Changes that come while it writes go into one commit, so
//! many workers share one wait for the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
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
    entries: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
    /// Held as long as something may be written.
    _lock: Lock,
}

struct Entry {
    changes: Vec<Change>,
    done: Option<oneshot::Sender<Result<()>>>,
}

impl Journal {
    /// A journal that forgets: for runs that nobody goes on with.
    pub fn none() -> Journal {
        Journal(None)
    }

    pub(super) fn start(store: Store, path: PathBuf, lock: Lock) -> Result<Journal> {
        let (entries, queue) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(store, &path, &queue))
            .map_err(|error| Error::internal("Cannot start the journal").because(error))?;
        Ok(Journal(Some(Arc::new(Writer {
            entries: Some(entries),
            thread: Some(thread),
            _lock: lock,
        }))))
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
        writer.send(Entry { changes, done: Some(done) });
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
            writer.send(Entry { changes: vec![change], done: None });
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

impl Writer {
    fn send(&self, entry: Entry) {
        // Without a thread the entry is dropped, and whoever waits for it is told so.
        if let Some(entries) = &self.entries {
            let _ = entries.send(entry);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.entries.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a change is about: a later one about the same takes the place of an earlier one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
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

fn write_all(mut store: Store, path: &std::path::Path, queue: &Receiver<Entry>) {
    let mut pending = BTreeMap::new();
    let mut since = Instant::now();
    loop {
        let next = if pending.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(LAZY.saturating_sub(since.elapsed()))
        };
        if pending.is_empty() {
            since = Instant::now();
        }
        let ended = matches!(next, Err(RecvTimeoutError::Disconnected));
        let mut waiting = Vec::new();
        for entry in next.into_iter().chain(queue.try_iter()) {
            let changes = entry.changes.into_iter();
            pending.extend(changes.map(|change| (About::of(&change), change)));
            waiting.extend(entry.done);
        }
        if !waiting.is_empty() || ended || since.elapsed() >= LAZY {
            // Changes that were refused are kept, and tried again with the next ones.
            let written = match pending.is_empty() {
                true => Ok(()),
                false => store.write(pending.values()),
            };
            match written {
                Ok(()) => pending.clear(),
                Err(_) => since = Instant::now(),
            }
            let mut error = written.err().map(|error| error.at(path.display()));
            for done in waiting {
                let answer = match error.take() {
                    None if pending.is_empty() => Ok(()),
                    None => Err(Error::internal("Cannot write the journal").at(path.display())),
                    Some(error) => Err(error),
                };
                let _ = done.send(answer);
            }
        }
        if ended {
            return;
        }
    }
}
