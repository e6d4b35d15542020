//! An object on its way: sent in chunks, there when it is whole, given up when it is dropped.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use tokio::task::JoinHandle;

use super::bucket::Answer;
use super::remote::Remote;
use super::runtime::{handle, tidy_up, wait};
use crate::error::{Error, Kind, Result};

/// Bytes in a chunk. S3 wants 5 MiB or more, and takes 10,000 chunks of an object, which makes 78 GiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const CHUNK: usize = 8 << 20;
/// Chunks that are on their way while the next one fills: a writer holds two.
const AT_ONCE: usize = 1;

const DOING: &str = "write the object";

/// An upload. Objects of less than a chunk are sent in one request.
pub struct Upload {
    remote: Remote,
    path: Path,
    chunk: Vec<u8>,
    bytes: u64,
    /// From the first full chunk on.
    parts: Option<Box<dyn MultipartUpload>>,
    on_their_way: VecDeque<JoinHandle<Answer<()>>>,
    is_given_up: bool,
}

impl Upload {
    pub(super) fn new(remote: Remote, path: Path) -> Upload {
        let (chunk, on_their_way) = (Vec::new(), VecDeque::new());
        Upload { remote, path, chunk, bytes: 0, parts: None, on_their_way, is_given_up: false }
    }

    /// Makes the object appear. Its bytes.
    pub fn finish(&mut self) -> Result<u64> {
        if self.parts.is_none() {
            let (path, content) = (self.path.clone(), mem::take(&mut self.chunk));
            let put =
                |store: Arc<dyn ObjectStore>| async move { store.put(&path, content.into()).await };
            wait(self.remote.bucket().ask(put))?
                .map_err(self.remote.failed(Kind::Target, DOING))?;
            return Ok(self.bytes);
        }
        if !self.chunk.is_empty() {
            self.send()?;
        }
        self.wait_for(0)?;
        if let Some(mut parts) = self.parts.take() {
            let (done, parts) = wait(async {
                let done = parts.complete().await;
                (done, parts)
            })?;
            if let Err(error) = done {
                self.parts = Some(parts);
                return Err(self.remote.failed(Kind::Target, DOING)(error));
            }
        }
        Ok(self.bytes)
    }

    /// Gives the upload up: nothing more is taken, and what was sent is removed. For any thread.
    pub fn give_up(&mut self) {
        self.is_given_up = true;
        // Chunks that were sent would be kept, and paid for. (Of a program that is killed, they are.)
        let Some(mut parts) = self.parts.take() else { return };
        let on_their_way = mem::take(&mut self.on_their_way);
        tidy_up(async move {
            for part in on_their_way {
                part.abort();
                let _ = part.await;
            }
            // Nobody is left to hear of a failure.
            let _ = parts.abort().await;
        });
    }

    /// Sends the chunk, once there is room on the way.
    fn send(&mut self) -> Result<()> {
        self.wait_for(AT_ONCE - 1)?;
        if self.parts.is_none() {
            let path = self.path.clone();
            let start =
                |store: Arc<dyn ObjectStore>| async move { store.put_multipart(&path).await };
            let parts = wait(self.remote.bucket().ask(start))?;
            self.parts = Some(parts.map_err(self.remote.failed(Kind::Target, DOING))?);
        }
        if let Some(parts) = &mut self.parts {
            let part = parts.put_part(mem::take(&mut self.chunk).into());
            self.on_their_way.push_back(handle()?.spawn(part));
        }
        Ok(())
    }

    /// Waits until no more than `most` chunks are on their way.
    fn wait_for(&mut self, most: usize) -> Result<()> {
        while self.on_their_way.len() > most {
            let Some(part) = self.on_their_way.pop_front() else { break };
            wait(part)?
                .map_err(|crash| Error::internal("Sending a chunk broke off").because(crash))?
                .map_err(self.remote.failed(Kind::Target, DOING))?;
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_given_up {
            return Err(io::Error::other("the upload was given up"));
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK {
            self.send().map_err(io::Error::other)?;
        }
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.give_up();
    }
}
