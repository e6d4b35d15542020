//! Dumps and restores, from end to end: the program as users start it, judged by what pymilvus tells
//! of the server before and after.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod kill;
#[path = "../live/support.rs"]
mod live_support;
mod restore;
mod support;
