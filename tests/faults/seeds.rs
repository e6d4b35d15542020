//! Many seeds, each a run of its own.
//!
//! `VECPIPE_RUNS` is how many (default: a few), `VECPIPE_FIRST_SEED` where they begin, and `VECPIPE_SEED`
//! the only one.

use std::fmt::Display;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::attempts::Told;
use crate::live::{LiveCase, LiveServers, Sources};
use crate::material;
use crate::run::Case;
use crate::target::Servers;

/// Runs at once: most of the time they wait.
const AT_ONCE: u64 = 6;
/// Runs in the ordinary test suite: of files, and of live servers.
const FEW: u64 = 20;
const FEW_LIVE: u64 = 4;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn seeds(few: u64) -> Range<u64> {
    let first = number("VECPIPE_FIRST_SEED").unwrap_or(0);
    match number("VECPIPE_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("VECPIPE_RUNS").unwrap_or(few),
    }
}

#[test]
fn whatever_fails_the_target_holds_the_source() {
    material::make();
    each(seeds(FEW), Case::of, Servers::default, Case::run);
}

#[test]
fn whatever_fails_the_target_holds_the_live_source() {
    let sources = Sources::default();
    let run = |case: &LiveCase, servers: &LiveServers| case.run(&sources, servers);
    each(seeds(FEW_LIVE), LiveCase::of, LiveServers::default, run);
}

/// Runs the case of each seed, several at once; each thread has servers of its own.
fn each<C: Display, S>(
    seeds: Range<u64>,
    of: impl Fn(u64) -> C + Sync,
    servers: impl Fn() -> S + Sync,
    run: impl Fn(&C, &S) -> Told + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    let (failed, all) = (Mutex::new(Vec::new()), Mutex::new(Told::default()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(seeds.end - seeds.start) {
            scope.spawn(|| {
                let servers = servers();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let case = of(seed);
                    let began = Instant::now();
                    let done = catch_unwind(AssertUnwindSafe(|| run(&case, &servers)));
                    let Ok(told) = done else {
                        eprintln!("FAILED {case}");
                        failed.lock().unwrap().push(case.to_string());
                        continue;
                    };
                    let Told { attempts, ends, faults, late, .. } = told;
                    eprintln!(
                        "{case}: {attempts} attempts, {ends} ended, {faults} faults, {late} late, {:.1} s",
                        began.elapsed().as_secs_f32()
                    );
                    let mut all = all.lock().unwrap();
                    *all = *all + told;
                }
            });
        }
    });
    let (failed, all) = (failed.into_inner().unwrap(), all.into_inner().unwrap());
    eprintln!("{} seeds, {all:?}, {} failed", seeds.end - seeds.start, failed.len());
    assert!(failed.is_empty(), "failed:\n{}", failed.join("\n"));
}
