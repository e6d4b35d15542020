//! What nobody else should see: secrets in what the program writes, and files that others can read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod permissions;
mod program;
mod refuse;
mod secrets;
