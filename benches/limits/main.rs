//! What `benches/compare` compares vecpipe with: the least that a program can do with the same bytes.
//!
//!     limits NAME KEY=VALUE …
//!
//! Each measures one pass, and prints a line of JSON: rows, bytes, seconds, and seconds of the processor. What it
//! needs to begin with, like rows that were prepared, is made before the clock starts.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench ends by panicking, and prints what it measured"
)]

mod answers;
mod arguments;
mod call;
mod clock;
mod datasets;
mod file;
mod inflate;
mod insert;
mod query;
mod receive;
mod rows;
mod skim;
mod stream;
mod write;

use arguments::Arguments;

// As in the binary: a limit must not be low for want of a good allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo test` and `cargo bench` run every bench; this one says nothing without being asked.
    let Some((name, arguments)) = Arguments::of_command_line() else { return };
    let measured = match name.as_str() {
        "read" => file::read(&arguments),
        "sum" => file::sum(&arguments),
        "stream" => stream::stream(&arguments),
        "insert" => insert::insert(&arguments),
        "query" => query::query(&arguments),
        "receive" => return receive::receive(&arguments),
        "inflate" => inflate::inflate(&arguments),
        "parquet" => write::parquet(&arguments),
        "hdf5" => write::hdf5(&arguments),
        _ => panic!("there is no limit {name}"),
    };
    println!("{}", measured.line());
}
