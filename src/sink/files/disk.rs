//! The disk's words and atomic steps, which are those of any place on a disk.

pub use crate::store::{io_error, replace, sync_folder};
