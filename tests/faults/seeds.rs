//! Many seeds, each a run of its own.
//!
//! `VECPIPE_RUNS` is how many (default: a few), `VECPIPE_FIRST_SEED` where they begin, and `VECPIPE_SEED`
//! the only one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::material;
use crate::run::{Case, Told};
use crate::target::Servers;

/// Runs at once: most of the time they wait.
const AT_ONCE: u64 = 6;
/// Runs in the ordinary test suite.
const FEW: u64 = 20;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn whatever_fails_the_target_holds_the_source() {
    let first = number("VECPIPE_FIRST_SEED").unwrap_or(0);
    let seeds = match number("VECPIPE_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("VECPIPE_RUNS").unwrap_or(FEW),
    };
    material::make();
    let next = AtomicU64::new(seeds.start);
    let (failed, all) = (Mutex::new(Vec::new()), Mutex::new(Told::default()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(seeds.end - seeds.start) {
            scope.spawn(|| {
                let servers = Servers::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let case = Case::of(seed);
                    let began = Instant::now();
                    let Ok(told) = catch_unwind(AssertUnwindSafe(|| case.run(&servers))) else {
                        eprintln!("FAILED {case}");
                        failed.lock().unwrap().push(case.to_string());
                        continue;
                    };
                    let Told { attempts, ends, faults } = told;
                    eprintln!(
                        "{case}: {attempts} attempts, {ends} ended, {faults} faults, {:.1} s",
                        began.elapsed().as_secs_f32()
                    );
                    let mut all = all.lock().unwrap();
                    all.attempts += attempts;
                    all.ends += ends;
                    all.faults += faults;
                }
            });
        }
    });
    let (failed, all) = (failed.into_inner().unwrap(), all.into_inner().unwrap());
    eprintln!("{} seeds, {all:?}, {} failed", seeds.end - seeds.start, failed.len());
    assert!(failed.is_empty(), "failed:\n{}", failed.join("\n"));
}
