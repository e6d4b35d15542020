//! Places that files lie in: folders of this machine, and object stores (S3, Google Cloud Storage,
//! Azure). One [`Place`] is either; what differs between them ends here.
//!
//! Everything blocks: it is for threads that read and write files. A store's client is asynchronous,
//! and runs on threads of its own (`runtime.rs`).
//!
//! A store has no folders, only names with slashes; `place.rs` reads them as folders. It has no renaming
//! either: an object appears under its name when it is whole, and until then it can't be seen.

mod address;
mod file;
mod local;
mod place;
mod reader;
mod stamp;
mod storage;
mod stores;

#[cfg(feature = "object-store")]
mod bucket;
#[cfg(feature = "object-store")]
mod error;
#[cfg(feature = "object-store")]
mod identity;
#[cfg(feature = "object-store")]
mod options;
#[cfg(feature = "object-store")]
mod ranged;
#[cfg(feature = "object-store")]
mod remote;
#[cfg(feature = "object-store")]
mod runtime;
#[cfg(feature = "object-store")]
mod upload;

#[cfg(not(feature = "object-store"))]
#[path = "without.rs"]
mod remote;

pub use address::Address;
pub use file::NewFile;
pub use local::{io_error, make_folder, replace, sync_folder, sync_parent};
pub use place::{Entry, Facts, Place};
pub use reader::Reader;
pub use stamp::Stamp;
pub use storage::Storage;
pub use stores::Stores;
