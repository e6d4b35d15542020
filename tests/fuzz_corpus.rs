//! Hands the targets of `fuzz/` their seeds, damaged in a few ways, and every input that was ever
//! found to be trouble.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells where"
)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Inputs that are right, nearly all of them.
fn seeds(target: &Target) -> Vec<PathBuf> {
    let mut paths = files(&format!("fuzz/seeds/{}", target.name));
    if let Some((folder, end)) = target.fixtures {
        let fixtures = files(folder).into_iter();
        paths.extend(fixtures.filter(|path| path.extension().is_some_and(|is| is == end)));
    }
    paths
}

/// Whether the target reads the file without an error, and that it does no worse when it is damaged.
fn is_read(target: Target, path: &Path) -> bool {
    println!("{}", path.display());
    let input = fs::read(path).unwrap();
    for n in 1..6 {
        let at = input.len() * n / 6;
        target.run(&input[..at]);
        let mut damaged = input.clone();
        damaged.iter_mut().skip(at).step_by(97).for_each(|byte| *byte ^= 0xa5);
        target.run(&damaged);
    }
    target.run(&input)
}

/// One test for all: memory is counted for the whole process.
#[test]
fn seeds_and_what_was_found_are_read_without_trouble() {
    for target in TARGETS {
        assert!(Target::named(target.name).is_some());
        let seeds = seeds(&target);
        let whole = seeds.iter().filter(|path| is_read(target, path)).count();
        // What stops at the first byte finds nothing.
        assert!(whole * 2 > seeds.len(), "{}: {whole} of {} seeds", target.name, seeds.len());
        for path in files(&format!("fuzz/regressions/{}", target.name)) {
            let whole = is_read(target, &path);
            // Those contradict themselves, and must not be gone on with.
            assert!(!whole || target.name != "journal", "{}", path.display());
        }
    }
}
