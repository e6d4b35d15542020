//! A run that is started again and again until it is done.

use std::fmt::{Debug, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::folder::Folder;
use crate::common::kill::{Random, is_done};
use crate::proxy::{Call, Fault, Proxy};
use crate::target::RUNTIME;

/// Longest time that one attempt may take.
const HUNG: Duration = Duration::from_secs(180);
/// Calls by which the program learns what it is connected to. It gives up at once when they fail.
const CONNECTING: [&str; 3] = ["GetVersion", "ListDatabases", "Cmd"];
/// Milvus Lite writes into the folder of a collection while it removes it, now and then, and says so. The
/// run ends, and the next one has to go on.
const LITE_FAILS: [&str; 2] = ["Milvus refused DropCollection", "Directory not empty"];

/// The run of `run.yaml` in a folder, and what lies between it and its servers.
pub struct Attempts<'a> {
    /// What is tried, for whoever has to find out why it failed.
    pub case: &'a dyn Debug,
    pub seed: u64,
    /// True where the program is asked to end; else it is killed.
    pub politely: bool,
    /// KiB of memory that it gets at least: with little, requests are small, and many rows take many.
    pub memory: u64,
    /// How long after it was sent a late write can still double rows without the run's fault; none where it
    /// never can.
    pub doubles_after: Option<Duration>,
    pub folder: &'a Folder,
    pub proxies: &'a [Proxy],
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    pub attempts: u64,
    pub ends: u64,
    pub faults: u64,
    /// Calls that were carried out late.
    pub late: u64,
    /// Runs that ended with exit code 5, whose differences `pipeline verify` named.
    pub differing: u64,
}

impl std::ops::Add for Told {
    type Output = Told;

    fn add(self, other: Told) -> Told {
        Told {
            attempts: self.attempts + other.attempts,
            ends: self.ends + other.ends,
            faults: self.faults + other.faults,
            late: self.late + other.late,
            differing: self.differing + other.differing,
        }
    }
}

impl Attempts<'_> {
    /// Goes on until the run is done. Panics when an attempt ends otherwise than its faults allow.
    pub fn until_done(&self) -> Told {
        let mut random = Random::seeded(!self.seed);
        let mut told = Told::default();
        loop {
            told.attempts += 1;
            assert!(told.attempts < 60, "it does not end: {}", self.story(""));
            let before: Vec<_> = self.proxies.iter().map(|proxy| proxy.all_calls().len()).collect();
            let (code, stderr) = self.attempt(&mut random);
            let proxies = self.proxies.iter().zip(before);
            let calls: Vec<_> =
                proxies.flat_map(|(proxy, before)| proxy.all_calls().split_off(before)).collect();
            let is_end = |call: &Call| matches!(call.fault, Fault::ActBefore | Fault::ActAfter);
            let ended = calls.iter().any(is_end);
            told.ends += u64::from(ended);
            let told_faults = calls.iter().filter(|call| call.fault != Fault::None).count();
            told.faults += told_faults as u64;
            let late = calls.iter().filter(|call| matches!(call.fault, Fault::Late(_)));
            told.late += late.count() as u64;
            let not_connected =
                |call: &Call| CONNECTING.contains(&&*call.name) && call.fault != Fault::None;
            match code {
                Some(0) => return self.settled(told),
                // Killed after its end: the next run would be a new one.
                None if ended && is_done(&self.folder.path(""), "run.yaml") => {
                    let told = self.settled(told);
                    self.clean();
                    return told;
                }
                Some(5) if told.late > 0 => {
                    told.differing += 1;
                    let told = self.settled(told);
                    self.check_excuse(&stderr);
                    return told;
                }
                None if ended => {}
                Some(130) if ended && self.politely => {}
                Some(3) if calls.iter().any(not_connected) => {}
                Some(1) if LITE_FAILS.iter().all(|words| stderr.contains(words)) => {}
                _ => panic!("it ended with {code:?}: {}", self.story(&stderr)),
            }
        }
    }

    /// Waits until the servers have carried out every late call: only then is the run judged.
    fn settled(&self, told: Told) -> Told {
        for proxy in self.proxies {
            RUNTIME.block_on(proxy.none_held());
        }
        told
    }

    /// Removes the mark of a run that was killed when its rows had moved, and before it gave its target back.
    fn clean(&self) {
        self.proxies.iter().for_each(Proxy::calm);
        let cleaned = self.folder.pipeline(&["clean", "run.yaml", "--yes"]);
        assert_eq!(cleaned.code, 0, "{}{}", cleaned.stdout, cleaned.stderr);
    }

    /// A write that was carried out later than any client can wait for may leave a difference, if the run
    /// says so and `pipeline verify` names the ids.
    fn check_excuse(&self, stderr: &str) {
        let longest = self.proxies.iter().map(Proxy::longest_held).max().unwrap_or_default();
        let excused = self.doubles_after.is_some_and(|limit| longest > limit);
        assert!(
            excused,
            "exit code 5, and no call was held longer than {longest:?}: {}",
            self.story(stderr)
        );
        self.proxies.iter().for_each(Proxy::calm);
        let verified = self.folder.pipeline(&["verify", "run.yaml"]);
        let all = format!("{}{}", verified.stdout, verified.stderr);
        let names =
            all.lines().any(|line| line.trim_start().starts_with("id ") && line.contains(':'));
        assert!(verified.code == 5 && names, "exit code 5: {}{all}", self.story(stderr));
        eprintln!("exit code 5, and verify names the ids: {:?}", self.case);
    }

    /// Starts the program and waits for its end: the exit code, none if it was killed, and what it said.
    fn attempt(&self, random: &mut Random) -> (Option<i32>, String) {
        let parallelism = (1 + random.below(8)).to_string();
        let memory = format!("{}KiB", self.memory << random.below(10));
        let flags = ["run", "run.yaml", "--parallelism", &parallelism, "--memory", &memory];
        let stderr = std::fs::File::create(self.folder.path("stderr")).unwrap();
        let mut command = self.folder.command(&flags);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        for proxy in self.proxies {
            let (victim, politely) = (Arc::clone(&child), self.politely);
            proxy.on_act(move || end(&mut victim.lock().unwrap(), politely));
        }
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.lock().unwrap().try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > HUNG {
                child.lock().unwrap().kill().unwrap();
                panic!("it hangs: {}", self.story(""));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // What a server was asked before the program was killed, it does before it is asked anew. Late
        // calls come when they come.
        for proxy in self.proxies {
            RUNTIME.block_on(proxy.at_rest());
        }
        (status.code(), std::fs::read_to_string(self.folder.path("stderr")).unwrap())
    }

    fn story(&self, stderr: &str) -> String {
        let mut story = format!("{:?}\n", self.case);
        for proxy in self.proxies {
            let _ = writeln!(story, "through {}:", proxy.uri);
            let calls = proxy.all_calls();
            for Call { name, bytes, fault, .. } in
                calls.iter().skip(calls.len().saturating_sub(120))
            {
                let _ = writeln!(story, "  {name} of {bytes} bytes: {fault:?}");
            }
        }
        story + stderr
    }
}

/// Ends the program, unless it has.
fn end(child: &mut Child, politely: bool) {
    if !politely {
        let _ = child.kill();
        return;
    }
    let kill = format!("kill -TERM {}", child.id());
    let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
}
