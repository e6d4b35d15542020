//! What the sinks that write files share: names for the file system, and steps that are atomic.

pub mod disk;
pub mod names;
