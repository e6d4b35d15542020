//! Hands the targets of `fuzz/` their seeds, damaged in a few ways, and every input that was ever
//! found to be trouble.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};

/// The seeds of a target, and what was found.
fn inputs(target: &Target) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &Path| {
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path())
    };
    let mut paths: Vec<_> = ["seeds", "regressions"]
        .iter()
        .flat_map(|kind| files(&root.join("fuzz").join(kind).join(target.name)))
        .collect();
    if let Some((folder, end)) = target.fixtures {
        let fixtures = files(&root.join(folder));
        paths.extend(fixtures.filter(|path| path.extension().is_some_and(|is| is == end)));
    }
    paths.sort();
    paths
}

/// One test for all: memory is counted for the whole process.
#[test]
fn seeds_and_what_was_found_are_read_without_trouble() {
    for target in TARGETS {
        assert!(Target::named(target.name).is_some());
        let inputs = inputs(&target);
        assert!(inputs.len() > 1, "{} has no seeds", target.name);
        let (all, mut whole) = (inputs.len(), 0);
        for path in inputs {
            println!("{}", path.display());
            let input = fs::read(&path).unwrap();
            whole += usize::from(target.run(&input));
            for n in 1..6 {
                let at = input.len() * n / 6;
                target.run(&input[..at]);
                let mut damaged = input.clone();
                damaged.iter_mut().skip(at).step_by(97).for_each(|byte| *byte ^= 0xa5);
                target.run(&damaged);
            }
        }
        // What stops at the first byte finds nothing.
        assert!(whole * 2 > all, "{}: {whole} of {all} seeds are read", target.name);
    }
}
