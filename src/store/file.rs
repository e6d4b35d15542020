//! A file on its way.

use std::io::{self, Write};

use super::local::Hidden;
use super::remote::Upload;
use crate::error::Result;

/// A file that is written from its beginning to its end. It is there when [`finish`](Self::finish) has
/// come back; dropped before that, it leaves nothing.
pub enum NewFile {
    /// Of this machine.
    Local(Hidden),
    /// In a store.
    Remote(Upload),
}

impl NewFile {
    /// Makes the file durable, and gives it its name. Its bytes.
    ///
    /// # Errors
    /// When it can't be.
    pub fn finish(&mut self) -> Result<u64> {
        match self {
            NewFile::Local(file) => file.finish(),
            NewFile::Remote(upload) => upload.finish(),
        }
    }
}

impl NewFile {
    /// Takes nothing more. A buffer before this file writes its rest when it is dropped, on whatever
    /// thread, and that must not wait for a server.
    pub fn give_up(&mut self) {
        if let NewFile::Remote(upload) = self {
            upload.give_up();
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            NewFile::Local(file) => file.write(bytes),
            NewFile::Remote(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            NewFile::Local(file) => file.flush(),
            NewFile::Remote(upload) => upload.flush(),
        }
    }
}
