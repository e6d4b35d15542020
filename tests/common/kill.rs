//! Kills the program at moments that its own journal tells.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use vecpipe::flow::EarlierRun;
use vecpipe::milvus::Generation;

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// `VECPIPE_TEST_SEED`, or this seed; says which.
    pub fn of(seed: u64) -> Random {
        let seed = std::env::var("VECPIPE_TEST_SEED").map_or(seed, |text| text.parse().unwrap());
        eprintln!("seed {seed}: VECPIPE_TEST_SEED={seed} repeats this test");
        Random(seed)
    }

    /// These numbers, and no others.
    pub fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// Longest time a run may take.
const HUNG: Duration = Duration::from_secs(120);

/// Rows that the journal in `folder` says are settled; 0 where it says nothing.
pub fn settled(folder: &Path, config: &str) -> u64 {
    let run = journal(folder, config);
    run.map_or(0, |run| run.targets.iter().map(|target| target.settled()).sum())
}

/// True when a run was killed after it had come to its end, just before it was gone.
pub fn is_done(folder: &Path, config: &str) -> bool {
    journal(folder, config).is_some_and(|run| run.is_done())
}

fn journal(folder: &Path, config: &str) -> Option<EarlierRun> {
    let config = std::fs::read_to_string(folder.join(config)).unwrap();
    let loaded = vecpipe::config::parse(&config, "test", &[], &|_| None, Generation::Two).unwrap();
    let identity = vecpipe::identity(&loaded.config).unwrap();
    let state_dir = folder.join(&loaded.config.run.state_dir);
    EarlierRun::find(&state_dir, &identity).ok().flatten().map(|standing| standing.run)
}

/// Kills the child once `rows` rows are settled. True if it was still at work.
pub fn kill_at(child: &mut Child, rows: u64, settled: impl Fn() -> u64) -> bool {
    let started = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if settled() >= rows {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        assert!(started.elapsed() < HUNG, "the run hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
}
