//! An object that is read here and there, with few requests: a reader of Parquet goes forward in several
//! places at once, one for each column, by many small steps.
//!
//! A window is a stretch of the object in memory. A step beyond its end moves it on, and the further it
//! has gone the larger it becomes; a step elsewhere opens another one. So a column that is read whole
//! comes in requests of megabytes, and a look at a single page costs little.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use object_store::ObjectMeta;

use super::remote::{Remote, stamp_of};
use crate::error::{Error, Result};

/// Bytes of a window that was just opened.
const FIRST: u64 = 256 << 10;
/// Bytes of one that has gone on for a while.
const LARGEST: u64 = 4 << 20;
/// Bytes of all windows together, about.
const ALL: u64 = 16 << 20;

/// An object, open for reading.
pub struct Ranged {
    remote: Remote,
    bytes: u64,
    e_tag: Option<String>,
    stamp: String,
    /// The one that was used last comes last.
    windows: Mutex<Vec<Window>>,
    failure: Mutex<Option<Error>>,
    requests: AtomicU64,
}

struct Window {
    start: u64,
    content: Bytes,
    /// What the next request for it asks for.
    next: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.content.len() as u64
    }
}

impl Ranged {
    pub(super) fn new(remote: Remote, object: ObjectMeta) -> Ranged {
        let (windows, failure) = (Mutex::default(), Mutex::default());
        let (bytes, stamp, e_tag) = (object.size, stamp_of(&object), object.e_tag);
        Ranged { remote, bytes, e_tag, stamp, windows, failure, requests: AtomicU64::new(0) }
    }

    /// By what the object is told from another one of its name.
    pub fn stamp(&self) -> &str {
        &self.stamp
    }

    /// The object's size.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// How often the store was asked for a stretch.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The store's error, if there was one: whoever reads through other code hears no more than its words.
    pub fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// `length` bytes from `start` on.
    ///
    /// # Errors
    /// When the object ends before, or can't be read; then [`failure`](Self::failure) knows more.
    pub fn get(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.bytes);
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if length == 0 {
            return Ok(Bytes::new());
        }
        let rest = self.from(start, end)?;
        Ok(rest.slice(..length))
    }

    /// The bytes from `start` on that are in memory, at least to `end`.
    fn from(&self, start: u64, end: u64) -> io::Result<Bytes> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |w: &Window| w.start <= start && end <= w.end();
        let touches = |w: &Window| w.start <= start && start <= w.end();
        let at = windows.iter().rposition(holds).or_else(|| windows.iter().rposition(touches));
        let window = match at.map(|at| windows.remove(at)) {
            Some(window) if end <= window.end() => Ok(window),
            Some(window) => {
                let most = ALL / (windows.len() as u64 + 1).max(4);
                self.moved_on(window, start, end, most)
            }
            None => self.opened(start, end),
        }
        .map_err(|error| {
            let words = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other(words)
        })?;
        let offset = usize::try_from(start - window.start).unwrap_or(usize::MAX);
        let rest = window.content.slice(offset..);
        windows.push(window);
        let mut all: u64 = windows.iter().map(|window| window.content.len() as u64).sum();
        while all > ALL && windows.len() > 1 {
            all -= windows.remove(0).content.len() as u64;
        }
        Ok(rest)
    }

    fn opened(&self, start: u64, end: u64) -> Result<Window> {
        // The end of an object is read backwards: its last bytes, then the footer before them.
        let start = start.min(self.bytes.saturating_sub(FIRST));
        let content = self.fetch(BytesMut::new(), start, end.max(start + FIRST))?;
        Ok(Window { start, content, next: 2 * FIRST })
    }

    /// What the window has from `start` on stays; the rest is fetched.
    fn moved_on(&self, window: Window, start: u64, end: u64, most: u64) -> Result<Window> {
        let offset = usize::try_from(start - window.start).unwrap_or(usize::MAX);
        let kept = BytesMut::from(&window.content[offset..]);
        let (from, next) = (window.end(), window.next);
        drop(window);
        let content = self.fetch(kept, from, end.max(from + next.min(most)))?;
        Ok(Window { start, content, next: (2 * next).min(LARGEST) })
    }

    fn fetch(&self, mut content: BytesMut, from: u64, to: u64) -> Result<Bytes> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (had, to) = (content.len() as u64, to.min(self.bytes));
        self.remote.fetch(from, to, self.e_tag.clone(), &mut content)?;
        if content.len() as u64 - had < to - from {
            return Err(Error::source("The object is shorter than the store says").at(&self.remote));
        }
        Ok(content.freeze())
    }
}

/// Reads on from one place.
pub struct ReadOn {
    object: Arc<Ranged>,
    at: u64,
    rest: Bytes,
}

impl ReadOn {
    /// From `at` on.
    pub fn new(object: Arc<Ranged>, at: u64) -> ReadOn {
        ReadOn { object, at, rest: Bytes::new() }
    }
}

impl Read for ReadOn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            if buffer.is_empty() || self.at >= self.object.bytes {
                return Ok(0);
            }
            self.rest = self.object.from(self.at, self.at + 1)?;
        }
        let taken = self.rest.split_to(buffer.len().min(self.rest.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        self.at += taken.len() as u64;
        Ok(taken.len())
    }
}
