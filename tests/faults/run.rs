//! One run of files, which is cut off again and again until it is done.

use std::fmt;

use crate::attempts::{Attempts, Told};
use crate::common::kill::Random;
use crate::material::{self, Rows, Set, Task};
use crate::proxy::Proxy;
use crate::script::Trouble;
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
        let attempts = Attempts {
            case: self,
            seed: self.seed,
            politely: self.politely,
            memory: 4,
            folder: &folder,
            proxies: &[proxy],
        };
        let told = attempts.until_done();
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
}
