//! What nobody else should see: secrets in what the program writes, and files that others can read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod external;
mod permissions;
mod program;
mod refuse;
mod secrets;
