//! A target of two sources that share half of their ids, and all rows that it holds at last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{Float32Array, Int64Array};
use serde_json::{Value, json};

use crate::common::folder::{Done, Folder};
use crate::common::judge::Judge;
use crate::common::rows::{batch, vectors, write_parquet};
use crate::common::s3::{self, S3};

/// Rows of a source, in five files.
pub const ROWS: i64 = 10_000;
const FILES: i64 = 5;
/// Longest time that a run may take to come to something.
const HUNG: Duration = Duration::from_secs(120);

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    Bucket,
    Hdf5,
    Milvus,
    Lite,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Append,
    Overwrite,
    Stage,
    Dump,
}

/// A source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    A,
    B,
}

impl From {
    /// The first number of its vectors.
    fn tag(self) -> f32 {
        match self {
            From::A => 1.0,
            From::B => 2.0,
        }
    }

    /// Its ids: the two share half of them.
    pub fn ids(self) -> std::ops::Range<i64> {
        match self {
            From::A => ROWS / 2..ROWS / 2 + ROWS,
            From::B => 0..ROWS,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            From::A => "a",
            From::B => "b",
        }
    }
}

/// A target, and a folder for each source's runs.
pub struct Target {
    pub kind: Kind,
    pub way: Way,
    pub shared: Folder,
    runs: BTreeMap<From, Folder>,
    /// The bucket's folder, or the collection.
    name: String,
    judge: Judge,
}

impl Target {
    pub fn new(kind: Kind, way: Way) -> Target {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = match kind {
            Kind::Bucket => s3::folder("owned"),
            // No name begins with another one: what begins with it is dropped.
            _ => format!("vecpipe_owned_{}_{n:04}", std::process::id()),
        };
        let judge = Judge::start("tests/judges/tags.py", []);
        let runs = [From::A, From::B].map(|from| (from, Folder::new())).into_iter().collect();
        let target = Target { kind, way, shared: Folder::new(), runs, name, judge };
        for from in [From::A, From::B] {
            target.write_source(from);
            target.folder(from).write("run.yaml", &target.config());
        }
        target
    }

    /// Where a source's runs are started.
    pub fn folder(&self, from: From) -> &Folder {
        &self.runs[&from]
    }

    fn write_source(&self, from: From) {
        let ids = from.ids();
        for file in 0..FILES {
            let rows = ROWS / FILES;
            let first = ids.start + file * rows;
            let values = (0..rows * 4).map(|n| if n % 4 == 0 { from.tag() } else { n as f32 });
            let values = Arc::new(Float32Array::from_iter_values(values));
            let all = Arc::new(Int64Array::from_iter_values(first..first + rows));
            let rows = batch(vec![("id", all), ("vector", vectors(4, values))]);
            let path = self.folder(from).path(&format!("news/{file}.parquet"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_parquet(&path, &rows, 200);
        }
    }

    /// The address of a server.
    pub fn uri(&self) -> String {
        let variable = match self.kind {
            Kind::Milvus => "VECPIPE_TEST_MILVUS",
            _ => "VECPIPE_TEST_LITE",
        };
        std::env::var(variable)
            .unwrap_or_else(|_| panic!("{variable} is not set: use scripts/test"))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where files go.
    pub fn dir(&self) -> PathBuf {
        self.shared.path("out")
    }

    /// The sink of a configuration, or its stage.
    fn place(&self, more: &str) -> String {
        let dir = self.dir();
        match self.kind {
            Kind::Folder => format!("parquet: {{ dir: {dir:?}, {more} }}"),
            Kind::Hdf5 => format!("hdf5: {{ dir: {dir:?}, {more}, max_rows_per_file: 2000 }}"),
            Kind::Bucket => {
                let (dir, storage) = (&self.name, s3::storage());
                format!("parquet: {{ dir: '{dir}', {more}, storage: {storage} }}")
            }
            Kind::Milvus | Kind::Lite => {
                let (uri, name) = (self.uri(), &self.name);
                format!("milvus: {{ uri: '{uri}', collection: {name}, {more} }}")
            }
        }
    }

    pub fn config(&self) -> String {
        let source = "parquet: { paths: [news], id: id, vector: vector }";
        let to = match self.way {
            Way::Append => format!("sink: {{ {} }}", self.place("mode: append")),
            Way::Overwrite => format!("sink: {{ {} }}", self.place("mode: overwrite")),
            Way::Dump => format!("sink: {{ {} }}", self.place("dump: true")),
            Way::Stage => {
                format!("sink: {{ \"null\": {{ }} }}\nstage: {{ {} }}", self.place("mode: append"))
            }
        };
        // Many small requests and row groups take long enough to be interrupted.
        let batch = if matches!(self.kind, Kind::Milvus | Kind::Lite) { 25 } else { 5 };
        format!("version: 1\nsource: {{ {source} }}\n{to}\nrun: {{ batch_rows: {batch} }}\n")
    }

    /// `pipeline run` of a source.
    pub fn run(&self, from: From, flags: &[&str]) -> Done {
        let flags = [&["run.yaml", "--parallelism", "1", "-q"], flags].concat();
        self.folder(from).run(&flags)
    }

    pub fn start(&self, from: From) -> Child {
        self.start_with(from, &[])
    }

    fn start_with(&self, from: From, flags: &[&str]) -> Child {
        let flags = [&["run", "run.yaml", "--parallelism", "1", "-q"], flags].concat();
        let mut command = self.folder(from).command(&flags);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a run and kills it when about one of five files has moved. True if it was at work.
    pub fn start_and_kill(&self, from: From) -> bool {
        self.kill(from, self.start(from))
    }

    /// The same of one that takes the target over.
    pub fn start_and_kill_taking_over(&self, from: From) -> bool {
        self.kill(from, self.start_with(from, &["--take-over"]))
    }

    /// Waits until a run has moved some rows. False when it ended before.
    pub fn wait_for_rows(&self, from: From, child: &mut Child) -> bool {
        let started = Instant::now();
        while self.settled(from) < ROWS as u64 / 5 {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(started.elapsed() < HUNG, "the run hangs");
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn kill(&self, from: From, mut child: Child) -> bool {
        if !self.wait_for_rows(from, &mut child) {
            return false;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        !self.is_done(from)
    }

    fn settled(&self, from: From) -> u64 {
        crate::common::kill::settled(&self.folder(from).path(""), "run.yaml")
    }

    fn is_done(&self, from: From) -> bool {
        crate::common::kill::is_done(&self.folder(from).path(""), "run.yaml")
    }

    pub fn ask(&self, request: &Value) -> Value {
        let answer = self.judge.ask(request);
        assert!(answer["wrong"].is_null(), "{answer}");
        answer
    }

    /// How often each row is there: id and tag.
    pub fn rows(&self) -> BTreeMap<(i64, u32), u64> {
        let answer = match self.kind {
            Kind::Folder => self.ask(&json!({ "do": "folder", "path": self.dir() })),
            Kind::Hdf5 => self.ask(&json!({ "do": "hdf5", "path": self.dir() })),
            Kind::Bucket => {
                let S3 { endpoint, key, secret } = S3::get();
                let path = self.name.strip_prefix("s3://").unwrap();
                self.ask(&json!({
                    "do": "bucket", "path": path, "endpoint": endpoint, "key": key, "secret": secret
                }))
            }
            Kind::Milvus | Kind::Lite => {
                let request = json!({ "do": "milvus", "uri": self.uri(), "collection": self.name });
                self.ask(&request)
            }
        };
        let mut rows = BTreeMap::new();
        let listed =
            answer["rows"].as_array().unwrap_or_else(|| panic!("{self:?} is gone")).clone();
        for row in &listed {
            let tag = row[1].as_f64().unwrap() as u32;
            *rows.entry((row[0].as_i64().unwrap(), tag)).or_default() += 1;
        }
        // A query shows one row of those that have one id, and counts all.
        if let Some(count) = answer["count"].as_u64() {
            assert_eq!(count, listed.len() as u64, "rows that no query shows");
        }
        rows
    }

    /// Asserts that each row of these sources is there once, with its own values; and, where
    /// nothing else may be there, no other.
    pub fn holds(&self, sources: &[From], alone: bool) {
        let rows = self.rows();
        for from in sources {
            for id in from.ids() {
                let times = rows.get(&(id, from.tag() as u32)).copied().unwrap_or(0);
                assert_eq!(times, 1, "row {id} of {} in {self:?}", from.name());
            }
        }
        if alone {
            assert_eq!(rows.len(), sources.len() * ROWS as usize, "rows of others in {self:?}");
        }
    }

    /// Names that runs left: in the folder, or on the server.
    pub fn left(&self) -> Vec<String> {
        match self.kind {
            Kind::Milvus | Kind::Lite => {
                let request = json!({ "do": "names", "uri": self.uri(), "prefix": self.name });
                let names: Vec<String> =
                    serde_json::from_value(self.ask(&request)["names"].clone()).unwrap();
                names.into_iter().filter(|name| *name != self.name).collect()
            }
            _ => {
                let place = match self.kind {
                    Kind::Bucket => s3::place(&self.name),
                    _ => vecpipe::store::Place::Local(self.dir()),
                };
                hidden_below(&place)
            }
        }
    }
}

fn hidden_below(place: &vecpipe::store::Place) -> Vec<String> {
    let mut all = Vec::new();
    for entry in place.entries().unwrap() {
        if entry.is_folder {
            all.extend(hidden_below(&place.join(&entry.name)));
        } else if entry.name.starts_with('.') {
            all.push(entry.name);
        }
    }
    all
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {:?}", self.kind, self.way)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Milvus | Kind::Lite) {
            self.judge.ask(&json!({ "do": "drop", "uri": self.uri(), "prefix": self.name }));
        }
    }
}
