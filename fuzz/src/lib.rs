//! Damaged and hostile input for everything that vecpipe reads and did not write: files, databases,
//! configurations, answers of servers.
//!
//! Each target takes bytes, and ends with rows or an error of the kind that the user should see. It
//! must not panic, not hang, and not take memory out of proportion to what it was given.
//!
//! `fuzz_targets/` hands them to libFuzzer; `tests/fuzz_corpus.rs`, which includes this file, hands
//! them the seeds and everything that was ever found, with an ordinary `cargo test`.

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
    work: fn(&[u8]),
    /// Bytes of memory that a byte of input may lead to.
    factor: usize,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    // An answer's empty parts take two bytes on the wire, and a few hundred as a structure.
    Target { name: "answers", work: answers::read, factor: 400 },
    Target { name: "config", work: config::read, factor: 400 },
    Target { name: "faiss", work: faiss::read, factor: 16 },
    Target { name: "journal", work: journal::read, factor: 400 },
    Target { name: "milvus1_files", work: milvus1::files, factor: 16 },
    Target { name: "milvus1_metadata", work: milvus1::metadata, factor: 400 },
];

/// Bytes of memory that may be taken whatever the input: buffers, threads, a database.
const FREE: usize = 64 << 20;

impl Target {
    /// The target of that name.
    ///
    /// # Panics
    /// When there is none.
    pub fn named(name: &str) -> Target {
        TARGETS.into_iter().find(|target| target.name == name).expect("a target's name")
    }

    /// Reads `input`.
    ///
    /// # Panics
    /// When it leads to anything that a user should not meet.
    pub fn run(self, input: &[u8]) {
        let before = allocator::start();
        (self.work)(input);
        let taken = allocator::peak().saturating_sub(before);
        let allowed = FREE + self.factor * input.len();
        assert!(taken <= allowed, "{taken} bytes of memory for {} of input", input.len());
    }
}
