//! One run of files, which is cut off again and again until it is done.

use std::fmt;
use std::time::Duration;

use crate::attempts::{Attempts, Told};
use crate::common::kill::Random;
use crate::material::{self, Rows, Set, Task};
use crate::proxy::Proxy;
use crate::script::{Late, Trouble};
use crate::support::Folder;
use crate::target::{Kind, RUNTIME, Servers, Target};

/// How rows come to a target that may hold some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Create,
    SkipNothing,
    Fail,
    Skip,
    Upsert,
    Overwrite,
    /// `keep_ids: false`.
    NewIds,
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

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { seed, task, kind, mode, set, batch_rows, .. } = self;
        write!(
            f,
            "VECPIPE_SEED={seed}: {task:?} of {set:?} into {kind:?}, {mode:?}, by {batch_rows}"
        )?;
        let Some(late) = self.trouble.late else { return Ok(()) };
        write!(f, ", writes late by up to {:?}", late.writes)?;
        if !self.replaces_late_rows() {
            write!(f, " (the longest that the client waits for)")?;
        }
        late.others.map_or(Ok(()), |others| write!(f, ", others by up to {others:?}"))
    }
}

impl Case {
    pub fn of(seed: u64) -> Case {
        let mut random = Random::seeded(seed);
        // Half of them into the real server that doubles rows if it is told to, two in ten into that of
        // 1.x. Milvus Lite keeps one row per id whatever the client does.
        let kind = match seed % 10 {
            4 | 7 => Kind::Milvus1,
            0 | 2 | 6 => Kind::Lite,
            _ => Kind::Milvus,
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
            Mode::Create | Mode::SkipNothing | Mode::Fail | Mode::NewIds => Set::Apart,
            Mode::Skip | Mode::Upsert | Mode::Overwrite => Set::Overlap,
        };
        let mut trouble = Trouble {
            seed,
            one_in: 3 + random.below(6),
            ends: random.below(5),
            rate_limit: kind != Kind::Milvus1,
            silence: kind != Kind::Milvus || random.below(3) == 0,
            late: None,
        };
        let batch_rows = 10 + random.below(90);
        let politely = random.below(4) == 0;
        let is_late = random.below(5) < 2;
        let new_ids = kind != Kind::Milvus1 && random.below(6) == 0;
        let (mode, set) = if new_ids { (Mode::NewIds, Set::Apart) } else { (mode, set) };
        // A run that is ended does not know of what it had asked last.
        if is_late && random.below(2) == 0 {
            trouble.ends = 0;
        }
        let mut case = Case { seed, task, kind, mode, set, batch_rows, politely, trouble };
        if is_late {
            let timeout = case.request_timeout_if(true);
            // The client waits for two seconds more than its own deadline.
            let held = timeout + Duration::from_millis(500);
            let writes = if case.replaces_late_rows() { timeout * 5 / 2 } else { held };
            case.trouble.late = Some(Late { writes, others: (trouble.ends == 0).then_some(held) });
        }
        case
    }

    /// True where a row that is sent late takes its own place, however late that is.
    fn replaces_late_rows(&self) -> bool {
        self.kind != Kind::Milvus1 && self.mode != Mode::NewIds
    }

    fn request_timeout(&self) -> Duration {
        self.request_timeout_if(self.trouble.late.is_some())
    }

    /// How long the client waits for an answer. Each late call may cost as much.
    fn request_timeout_if(&self, is_late: bool) -> Duration {
        Duration::from_secs(match self.kind {
            Kind::Milvus if is_late || self.mode == Mode::NewIds => 4,
            Kind::Milvus => 10,
            Kind::Lite | Kind::Milvus1 => 2,
        })
    }

    /// Runs until it is done, and compares. Panics when it does not end well.
    pub fn run(&self, servers: &Servers) -> Told {
        let target = servers.target(self.kind, "faults");
        let folder = Folder::new();
        let has_old = !matches!(self.mode, Mode::Create | Mode::SkipNothing | Mode::NewIds);
        if has_old {
            folder
                .write("old.yaml", &self.config(&target, target.uri(), Set::Old, "append", "fail"));
            let done = folder.run(&["old.yaml"]);
            assert_eq!(done.code, 0, "{}", done.stderr);
        }
        let script = Proxy::scripted(target.uri(), self.trouble.script());
        let proxy = RUNTIME.block_on(script);
        let (mode, conflict) = match self.mode {
            Mode::Create | Mode::Fail | Mode::NewIds => ("append", "fail"),
            Mode::SkipNothing => ("skip", "fail"),
            Mode::Skip => ("append", "skip"),
            Mode::Upsert => ("append", "upsert"),
            Mode::Overwrite => ("overwrite", "fail"),
        };
        let config = self.config(&target, &proxy.uri, self.set, mode, conflict);
        folder.write("run.yaml", &config);
        let attempts = Attempts {
            case: self,
            seed: self.seed,
            politely: self.politely,
            memory: 4,
            // What the client waits for.
            doubles_after: (!self.replaces_late_rows())
                .then(|| self.request_timeout() + Duration::from_secs(2)),
            folder: &folder,
            proxies: &[proxy],
        };
        let told = attempts.until_done();
        if told.differing > 0 {
            return told;
        }
        match self.set {
            _ if self.mode == Mode::NewIds => {
                target.holds_with_new_ids(&self.expected(), &folder.path(""));
            }
            Set::Partitions => target.holds_partitions(),
            _ => target.holds(&self.expected(), &folder.path("")),
        }
        // What the judge saw, the program must see too.
        if self.seed % 4 == 1 && !matches!(self.mode, Mode::Skip | Mode::NewIds) {
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
        let wait = if self.kind == Kind::Milvus1 { ", wait: 2s" } else { "" };
        let limits = format!("request: {}s{wait}", self.request_timeout().as_secs());
        let new_ids = if self.mode == Mode::NewIds { "keep_ids: false, " } else { "" };
        format!(
            "version: 1\n\
             source: {{ {source} }}\n\
             sink: {{ {sink}: {{ uri: \"{uri}\"{collection}, mode: {mode}, on_conflict: {conflict}, {new_ids}\
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
            Mode::Create | Mode::SkipNothing | Mode::Overwrite | Mode::NewIds => return new,
            Mode::Fail | Mode::Upsert => (old(), new),
            Mode::Skip => (new, old()),
        };
        rows.extend(over);
        rows
    }
}
