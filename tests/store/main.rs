//! Files in an object store, against a real S3 server: what is written, read and removed there, and what
//! a user is told when that fails.

#![cfg(feature = "object-store")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod files;
mod reading;
mod told;
