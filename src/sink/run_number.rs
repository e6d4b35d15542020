//! What a run marks by which things it has made.

use std::time::{SystemTime, UNIX_EPOCH};

/// A number that no other run has.
pub(crate) fn run_number() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_nanos(), std::process::id())
}
