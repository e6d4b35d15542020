//! Identifies the data that a run reads and writes, so that a target that is also the source is found
//! however the user spelled the two.
//!
//! | module | holds |
//! |---|---|
//! | `path` | files and folders of this machine, by inode |
//! | `server` | servers, by the addresses that their names resolve to |
//! | `collection` | collections of a Milvus server, by the server's own ids |
//! | `object` | objects of a store, by service, bucket and key |
//! | `index` | finding overlaps among many locations |

mod collection;
mod index;
mod object;
mod path;
mod server;

use std::fmt;

pub use collection::CollectionLocation;
pub use index::LocationIndex;
pub use object::{ObjectLocation, Service};
pub use path::PathLocation;
pub use server::ServerAddresses;

/// Data that a run reads or writes: one unit and everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataLocation {
    /// A file or folder of this machine.
    Path(PathLocation),
    /// An object of a store, or every object below a key.
    Object(ObjectLocation),
    /// A collection of a Milvus 2.x server, or one of its partitions.
    Collection(CollectionLocation),
}

/// A hash key under which a [`LocationIndex`] keeps a location.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Device and number of an inode.
    Inode(u64, u64),
    /// A bucket, and a key in it.
    Object(String, String),
    /// A server's id and creation time of a collection.
    CollectionId(i64, u64),
    /// A database and a collection, of a server that gives no ids.
    CollectionName(String, String),
}

impl DataLocation {
    /// Returns true when one of the two is the other, or contains it.
    pub fn overlaps(&self, other: &DataLocation) -> bool {
        match (self, other) {
            (Self::Path(a), Self::Path(b)) => a.contains(b) || b.contains(a),
            (Self::Object(a), Self::Object(b)) => a.contains(b) || b.contains(a),
            (Self::Collection(a), Self::Collection(b)) => a.overlaps(b),
            _ => false,
        }
    }

    /// What it is, in one word for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Path(path) if path.is_file() => "file",
            Self::Path(_) | Self::Object(_) => "folder",
            Self::Collection(_) => "collection",
        }
    }

    /// The key of this location itself.
    fn own_key(&self) -> Key {
        match self {
            Self::Path(path) => path.own_key(),
            Self::Object(object) => object.own_key(),
            Self::Collection(collection) => collection.key(),
        }
    }

    /// The keys of this location and of everything that contains it.
    fn enclosing_keys(&self) -> Vec<Key> {
        match self {
            Self::Path(path) => path.enclosing_keys(),
            Self::Object(object) => object.enclosing_keys(),
            Self::Collection(collection) => vec![collection.key()],
        }
    }
}

impl fmt::Display for DataLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Object(object) => object.fmt(f),
            Self::Collection(collection) => collection.fmt(f),
        }
    }
}
