//! Hands the targets of `fuzz/` their seeds and every input that was ever found to be trouble.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};

fn inputs(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let of = |kind: &str| fs::read_dir(folder.join(kind).join(target.name)).into_iter().flatten();
    let mut paths: Vec<_> =
        of("seeds").chain(of("regressions")).map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// One test for all: memory is counted for the whole process.
#[test]
fn seeds_and_what_was_found_before_are_read_without_trouble() {
    for target in TARGETS {
        let inputs = inputs(&target);
        assert!(!inputs.is_empty(), "{} has no seeds", target.name);
        for path in inputs {
            println!("{}", path.display());
            let input = fs::read(&path).unwrap();
            target.run(&input);
            // Cut off anywhere, and with a byte that is not what it was.
            for n in 1..8 {
                target.run(&input[..input.len() * n / 8]);
                let mut damaged = input.clone();
                if let Some(byte) = damaged.get_mut(input.len() * (n - 1) / 8) {
                    *byte ^= 0xa5;
                }
                target.run(&damaged);
            }
        }
    }
}
