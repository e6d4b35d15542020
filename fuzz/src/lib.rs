//! Damaged and hostile input for everything that vecpipe reads and did not write: files, databases,
//! configurations, answers of servers.
//!
//! Each target takes bytes, and ends with rows or an error of the kind that the user should see. It
//! must not panic, not hang, and not take memory out of proportion to what it was given.
//!
//! `fuzz_targets/` hands them to libFuzzer; `tests/fuzz_corpus.rs`, which includes this file, hands
//! them the seeds and everything that was ever found, with an ordinary `cargo test`.

#![allow(clippy::expect_used, reason = "a panic is how a target says that something is wrong")]

mod allocator;
mod answers;
mod config;
mod database;
mod faiss;
mod journal;
mod milvus1;
mod rows;

/// What is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its folders in `seeds` and `regressions`, and of its binary.
    pub name: &'static str,
    /// A folder of the repository whose files of this ending are seeds, too.
    pub fixtures: Option<(&'static str, &'static str)>,
    work: fn(&[u8]) -> bool,
    /// Bytes of memory that a byte of input may lead to.
    factor: usize,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    // An answer's empty parts take two bytes on the wire, and a few hundred as a structure.
    target("answers", None, answers::read, 400),
    target("config", Some(("configs", "yaml")), config::read, 400),
    target("faiss", Some(("tests/faiss/fixtures/1.7.4", "index")), faiss::read, 16),
    target("journal", None, journal::read, 400),
    target("milvus1_files", None, milvus1::files, 16),
    target("milvus1_metadata", None, milvus1::metadata, 400),
];

const fn target(
    name: &'static str,
    fixtures: Option<(&'static str, &'static str)>,
    work: fn(&[u8]) -> bool,
    factor: usize,
) -> Target {
    Target { name, fixtures, work, factor }
}

/// Bytes of memory that may be taken whatever the input: buffers, threads, a database.
const FREE: usize = 64 << 20;

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Reads `input`. True when it was whole: there was no error.
    ///
    /// # Panics
    /// When it leads to anything that a user should not meet.
    pub fn run(self, input: &[u8]) -> bool {
        let before = allocator::start();
        let whole = (self.work)(input);
        let taken = allocator::peak().saturating_sub(before);
        let allowed = FREE + self.factor * input.len();
        assert!(taken <= allowed, "{taken} bytes of memory for {} of input", input.len());
        whole
    }
}
