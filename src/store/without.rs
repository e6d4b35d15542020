//! In place of stores, in a program that was built without them: there is none.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;

use super::address::Address;
use super::place::{Entry, Facts};
use super::storage::Storage;
use crate::error::{Error, Result};
use crate::location::ObjectLocation;

/// Says how to build a program that can.
pub fn open(address: &Address, _: &Storage) -> Result<Remote> {
    Err(Error::config("This program was built without object stores")
        .at(&address.root)
        .help("build it with `cargo build --features object-store`, or name a folder"))
}

/// None.
#[derive(Debug, Clone)]
pub struct Remote(Infallible);

/// None.
#[derive(Debug)]
pub struct Ranged(Infallible);

/// None.
pub type Upload = Remote;

macro_rules! never {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(pub fn $name(&self, $(_: $type),*) -> $result {
            match self.0 {}
        })*
    };
}

impl Remote {
    never! {
        at(_key: &str) -> Remote;
        join(_name: &str) -> Remote;
        name() -> &str;
        location() -> ObjectLocation;
        entries() -> Result<Vec<Entry>>;
        facts() -> Result<Option<Facts>>;
        read(_most: u64) -> Result<Option<Vec<u8>>>;
        replace(_content: &[u8]) -> Result<()>;
        create_new(_content: &[u8]) -> Result<bool>;
        remove() -> Result<()>;
        open() -> Result<Arc<Ranged>>;
        create() -> Result<Upload>;
        finish() -> Result<u64>;
        give_up() -> ();
    }
}

impl Ranged {
    never! {
        len() -> u64;
        stamp() -> &str;
        failure() -> Option<Error>;
        get(_start: u64, _length: usize) -> io::Result<Bytes>;
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl Write for Remote {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

/// None.
pub struct ReadOn(Arc<Ranged>);

impl ReadOn {
    /// None.
    pub fn new(object: Arc<Ranged>, _: u64) -> ReadOn {
        ReadOn(object)
    }
}

impl Read for ReadOn {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0.0 {}
    }
}
