//! One run, which is cut off again and again until it is done.

use std::fmt::{self, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::kill::{Random, is_done};
use crate::material::{self, Rows, Set, Task};
use crate::proxy::{Call, Fault, Proxy};
use crate::script::Trouble;
use crate::support::Folder;
use crate::target::{Kind, RUNTIME, Servers, Target};

/// Longest time that one attempt may take.
const HUNG: Duration = Duration::from_secs(180);
/// Calls by which the program learns what it is connected to. It gives up at once when they fail.
const CONNECTING: [&str; 3] = ["GetVersion", "ListDatabases", "Cmd"];

/// How rows come to a target that may hold some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Create,
    SkipNothing,
    Fail,
    Skip,
    Upsert,
    Overwrite,
}

/// Everything that a seed decides.
#[derive(Debug)]
pub struct Case {
    pub seed: u64,
    task: Task,
    kind: Kind,
    mode: Mode,
    set: Set,
    batch_rows: u64,
    /// True where the program is asked to end; else it is killed.
    politely: bool,
    trouble: Trouble,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    pub attempts: u64,
    pub ends: u64,
    pub faults: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { seed, task, kind, mode, set, batch_rows, .. } = self;
        write!(
            f,
            "VECPIPE_SEED={seed}: {task:?} of {set:?} into {kind:?}, {mode:?}, by {batch_rows}"
        )
    }
}

impl Case {
    pub fn of(seed: u64) -> Case {
        let mut random = Random::seeded(seed);
        // One in ten into the server that takes its time, two into that of 1.x.
        let kind = match seed % 10 {
            9 => Kind::Milvus,
            4 | 7 => Kind::Milvus1,
            _ => Kind::Lite,
        };
        let task = [Task::H2m, Task::F2m, Task::M2m][(seed % 3) as usize];
        let modes = [
            Mode::Create,
            Mode::Create,
            Mode::SkipNothing,
            Mode::Fail,
            Mode::Skip,
            Mode::Upsert,
            Mode::Overwrite,
            Mode::Overwrite,
        ];
        let mode = *random.one_of(&modes);
        let set = match mode {
            // They are binary, which Milvus Lite does not take.
            Mode::Create if task == Task::M2m && kind != Kind::Lite => Set::Partitions,
            Mode::Create | Mode::SkipNothing | Mode::Fail => Set::Apart,
            Mode::Skip | Mode::Upsert | Mode::Overwrite => Set::Overlap,
        };
        let trouble = Trouble {
            seed,
            one_in: 3 + random.below(6),
            ends: random.below(5),
            rate_limit: kind != Kind::Milvus1,
            silence: kind != Kind::Milvus || random.below(3) == 0,
        };
        let batch_rows = 10 + random.below(90);
        let politely = random.below(4) == 0;
        Case { seed, task, kind, mode, set, batch_rows, politely, trouble }
    }

    /// Runs until it is done, and compares. Panics when it does not end well.
    pub fn run(&self, servers: &Servers) -> Told {
        let target = servers.target(self.kind, "faults");
        let folder = Folder::new();
        let has_old = !matches!(self.mode, Mode::Create | Mode::SkipNothing);
        if has_old {
            folder
                .write("old.yaml", &self.config(&target, target.uri(), Set::Old, "append", "fail"));
            let done = folder.run(&["old.yaml"]);
            assert_eq!(done.code, 0, "{}", done.stderr);
        }
        let script = Proxy::scripted(target.uri(), self.trouble.script());
        let proxy = RUNTIME.block_on(script);
        let (mode, conflict) = match self.mode {
            Mode::Create | Mode::Fail => ("append", "fail"),
            Mode::SkipNothing => ("skip", "fail"),
            Mode::Skip => ("append", "skip"),
            Mode::Upsert => ("append", "upsert"),
            Mode::Overwrite => ("overwrite", "fail"),
        };
        let config = self.config(&target, &proxy.uri, self.set, mode, conflict);
        folder.write("run.yaml", &config);
        let told = self.until_done(&folder, &proxy);
        match self.set {
            Set::Partitions => target.holds_partitions(),
            _ => target.holds(&self.expected(), &folder.path("")),
        }
        // What the judge saw, the program must see too.
        if self.seed % 4 == 1 && self.mode != Mode::Skip {
            let config = self.config(&target, target.uri(), self.set, mode, conflict);
            folder.write("run.yaml", &config);
            let verified = folder.pipeline(&["verify", "run.yaml"]);
            assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        }
        told
    }

    fn config(
        &self,
        target: &Target<'_>,
        uri: &str,
        set: Set,
        mode: &str,
        conflict: &str,
    ) -> String {
        let name = target.collection();
        let source = material::source(self.task, set, name);
        // In M2M the source names the collection.
        let collection = match self.task {
            Task::M2m => String::new(),
            _ => format!(", collection: {name}"),
        };
        // A server of 1.x answers when it has flushed.
        let limits = match self.kind {
            Kind::Milvus => "request: 10s",
            Kind::Lite => "request: 2s",
            Kind::Milvus1 => "request: 2s, wait: 2s",
        };
        format!(
            "version: 1\n\
             source: {{ {source} }}\n\
             sink: {{ {sink}: {{ uri: \"{uri}\"{collection}, mode: {mode}, on_conflict: {conflict}, \
             retry_for: 2m, timeouts: {{ connect: 10s, {limits} }} }} }}\n\
             run: {{ batch_rows: {rows} }}\n",
            sink = target.sink(),
            rows = self.batch_rows,
        )
    }

    /// The rows that the target must hold.
    fn expected(&self) -> Rows {
        let new = material::rows(self.task, self.set);
        let old = || material::rows(self.task, Set::Old);
        let (mut rows, over) = match self.mode {
            Mode::Create | Mode::SkipNothing | Mode::Overwrite => return new,
            Mode::Fail | Mode::Upsert => (old(), new),
            Mode::Skip => (new, old()),
        };
        rows.extend(over);
        rows
    }

    fn until_done(&self, folder: &Folder, proxy: &Proxy) -> Told {
        let mut random = Random::seeded(!self.seed);
        let mut told = Told::default();
        loop {
            told.attempts += 1;
            assert!(told.attempts < 60, "it does not end: {}", self.story(proxy, ""));
            let calls_before = proxy.all_calls().len();
            let (code, stderr) = self.attempt(folder, proxy, &mut random);
            let calls = proxy.all_calls().split_off(calls_before);
            let is_end = |call: &Call| matches!(call.fault, Fault::ActBefore | Fault::ActAfter);
            let ended = calls.iter().any(is_end);
            told.ends += u64::from(ended);
            let told_faults = calls.iter().filter(|call| call.fault != Fault::None).count();
            told.faults += told_faults as u64;
            let not_connected =
                |call: &Call| CONNECTING.contains(&&*call.name) && call.fault != Fault::None;
            match code {
                Some(0) => return told,
                // Killed after its end: the next run would be a new one.
                None if ended && is_done(&folder.path(""), "run.yaml") => return told,
                None if ended => {}
                Some(130) if ended && self.politely => {}
                Some(3) if calls.iter().any(not_connected) => {}
                _ => panic!("it ended with {code:?}: {}", self.story(proxy, &stderr)),
            }
        }
    }

    /// Starts the program and waits for its end: the exit code, none if it was killed, and what it said.
    fn attempt(
        &self,
        folder: &Folder,
        proxy: &Proxy,
        random: &mut Random,
    ) -> (Option<i32>, String) {
        let parallelism = (1 + random.below(8)).to_string();
        let memory = format!("{}KiB", 4 << random.below(10));
        let flags = ["run", "run.yaml", "--parallelism", &parallelism, "--memory", &memory];
        let stderr = std::fs::File::create(folder.path("stderr")).unwrap();
        let mut command = folder.command(&flags);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        let (victim, politely) = (Arc::clone(&child), self.politely);
        proxy.on_act(move || end(&mut victim.lock().unwrap(), politely));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.lock().unwrap().try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > HUNG {
                child.lock().unwrap().kill().unwrap();
                panic!("it hangs: {}", self.story(proxy, ""));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // What a server was asked before the program was killed, it does before it is asked anew.
        RUNTIME.block_on(proxy.at_rest());
        (status.code(), std::fs::read_to_string(folder.path("stderr")).unwrap())
    }

    fn story(&self, proxy: &Proxy, stderr: &str) -> String {
        let mut story = format!("{self:?}\n");
        let calls = proxy.all_calls();
        for Call { name, bytes, fault } in calls.iter().skip(calls.len().saturating_sub(120)) {
            let _ = writeln!(story, "  {name} of {bytes} bytes: {fault:?}");
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
