//! What the sinks that write files share: names for the file system.

pub mod names;
