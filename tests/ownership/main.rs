//! A target belongs to one run at a time: runs that are killed, that start together, and that take over from
//! each other, into every kind of target; and what they leave.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod clean;
#[path = "../common/mod.rs"]
mod common;
mod matrix;
mod pairs;
mod refuse;
mod target;
