//! From what a user writes to a place. Each bucket is opened once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::address::Address;
use super::place::Place;
use super::remote::{Remote, open};
use super::storage::Storage;
use crate::error::{Error, Result};

/// The stores of one source or sink, with the options that it gives for them.
#[derive(Default)]
pub struct Stores {
    storage: Storage,
    /// By scheme and bucket.
    open: Mutex<BTreeMap<String, Remote>>,
}

impl Stores {
    /// Stores that are reached by these options, and by what the environment says.
    pub fn new(storage: Storage) -> Stores {
        Stores { storage, open: Mutex::default() }
    }

    /// The place that `text` names: an address of a store, or a path. Asks no server.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when it is an address that is not understood, an
    /// option is unknown or of no use, or this program was built without stores.
    pub fn place(&self, text: &str) -> Result<Place> {
        let Some(address) = Address::parse(text)? else {
            return Ok(Place::Local(PathBuf::from(text)));
        };
        let mut open_ones = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let root = match open_ones.get(&address.root) {
            Some(root) => root.clone(),
            None => {
                let root = open(&address, &self.storage)?;
                open_ones.insert(address.root.clone(), root.clone());
                root
            }
        };
        Ok(Place::Remote(root.at(&address.key)))
    }

    /// Checks that options are there for a store alone.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when there are options, and none of `places` is in
    /// a store. `key` is the configuration's key of the places.
    pub fn check(&self, key: &str, places: &[&str]) -> Result<()> {
        if self.storage.is_empty() || places.iter().any(|place| place.contains("://")) {
            return Ok(());
        }
        Err(Error::config(format!("`storage` is given, and {key} names no object store"))
            .help("write the place as an address, like s3://bucket/folder, or leave out `storage`"))
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("storage", &self.storage).finish_non_exhaustive()
    }
}
