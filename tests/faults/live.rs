//! One run that reads a live Milvus 2.x, through a proxy of its own: reads fail as writes do.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::attempts::{Attempts, Told};
use crate::common::folder::Folder;
use crate::common::kill::Random;
use crate::live_support::Server;
use crate::proxy::Proxy;
use crate::script::{Late, Trouble};
use crate::target::{RUNTIME, left_beside};

/// Rows of a source, and of one of the kind `large`, which has two splits in one partition.
const ROWS: usize = 1200;
const LARGE: usize = 20_000;

/// A server of 2.x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Lite,
    Milvus,
}

/// Where rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Server(Kind),
    Parquet,
    /// A server, by a dump that is restored.
    Dump(Kind),
}

impl Target {
    /// The server that holds the rows at last.
    fn server(self) -> Option<Kind> {
        match self {
            Target::Server(kind) | Target::Dump(kind) => Some(kind),
            Target::Parquet => None,
        }
    }
}

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
pub struct LiveCase {
    seed: u64,
    from: Kind,
    /// What the collection is like: a kind that the judge makes.
    like: &'static str,
    to: Target,
    mode: Mode,
    batch_rows: u64,
    politely: bool,
    reading: Trouble,
    writing: Trouble,
}

impl fmt::Display for LiveCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LiveCase { seed, from, like, to, mode, batch_rows, .. } = self;
        write!(
            f,
            "VECPIPE_SEED={seed}: live {from:?} ({like}) into {to:?}, {mode:?}, by {batch_rows}"
        )?;
        let Some(late) = self.writing.late else { return Ok(()) };
        write!(f, ", writes late by up to {:?}", late.writes)
    }
}

/// One thread's servers, with a judge each.
#[derive(Default)]
pub struct LiveServers {
    lite: OnceCell<Server>,
    milvus: OnceCell<Server>,
}

impl LiveServers {
    fn of(&self, kind: Kind) -> &Server {
        match kind {
            Kind::Lite => self.lite.get_or_init(Server::lite),
            Kind::Milvus => self.milvus.get_or_init(Server::milvus),
        }
    }
}

/// Collections that are read, each made when it is first wanted: it takes a Milvus seconds to load one.
#[derive(Default)]
pub struct Sources(Mutex<BTreeMap<(Kind, &'static str), Made>>);

type Made = Arc<OnceLock<Source>>;

/// A collection that many runs read.
struct Source {
    server: Mutex<Server>,
    uri: String,
    name: String,
    /// By partition, what pymilvus shows.
    rows: Map<String, Value>,
}

impl Source {
    fn made(kind: Kind, like: &'static str) -> Source {
        let server = match kind {
            Kind::Lite => Server::lite(),
            Kind::Milvus => Server::milvus(),
        };
        let rows = if like == "large" { LARGE } else { ROWS };
        let name = server.name(like).lasting();
        let like = if like == "large" { "plain" } else { like };
        server.ask(&json!({ "do": "make", "kind": like, "collection": name, "rows": rows }));
        let rows = shown(&server, &name);
        Source { uri: server.uri.clone(), server: Mutex::new(server), name, rows }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let server = self.server.get_mut();
        server.unwrap().ask(&json!({ "do": "drop", "collections": [self.name] }));
    }
}

impl Sources {
    fn of(&self, kind: Kind, like: &'static str) -> Made {
        let source = Arc::clone(self.0.lock().unwrap().entry((kind, like)).or_default());
        source.get_or_init(|| Source::made(kind, like));
        source
    }
}

/// All rows by partition, as pymilvus shows them: each counted once.
fn shown(server: &Server, collection: &str) -> Map<String, Value> {
    let told = server.ask(&json!({ "do": "tell", "collection": collection }));
    let rows = told["rows"].as_object().unwrap().clone();
    for (partition, rows) in &rows {
        let count = told["counts"][partition].as_u64();
        assert_eq!(count, Some(rows.as_object().unwrap().len() as u64), "rows of {partition}");
    }
    rows
}

impl LiveCase {
    pub fn of(seed: u64) -> LiveCase {
        let mut random = Random::seeded(seed ^ 0x11fe);
        let kind = |n| if n == 0 { Kind::Milvus } else { Kind::Lite };
        let from = kind(random.below(7));
        // Every other one into the real server that doubles rows if it is told to.
        let to = match (seed % 2, random.below(8)) {
            (1, 0 | 1) => Target::Dump(Kind::Milvus),
            (1, _) => Target::Server(Kind::Milvus),
            (_, 0) => Target::Parquet,
            (_, 1..=3) => Target::Dump(Kind::Lite),
            _ => Target::Server(Kind::Lite),
        };
        let likes = ["plain", "parts", "scalars", "dynamic", "texts"];
        let like = match to {
            _ if random.below(12) == 0 => "large",
            // Those that the judge of files knows.
            Target::Parquet => likes[random.below(2) as usize],
            Target::Server(_) | Target::Dump(_) => random.one_of(&likes),
        };
        let modes: &[Mode] = match (to, like) {
            (Target::Server(_) | Target::Dump(_), "plain" | "large") => {
                &[Mode::Create, Mode::Fail, Mode::Skip, Mode::Upsert, Mode::Overwrite]
            }
            (_, _) => &[Mode::Create, Mode::SkipNothing, Mode::Overwrite],
        };
        let mode = *random.one_of(modes);
        let mut trouble = |kind| Trouble {
            seed: random.below(1 << 40),
            one_in: 3 + random.below(6),
            ends: random.below(4),
            rate_limit: true,
            silence: kind == Kind::Lite || random.below(3) == 0,
            late: None,
        };
        let reading = trouble(from);
        let mut writing = trouble(to.server().unwrap_or(Kind::Lite));
        let batch_rows = match like {
            "large" => 500 + random.below(4000),
            _ => 10 + random.below(150),
        };
        let politely = random.below(4) == 0;
        if let (Some(kind), 0) = (to.server(), random.below(3)) {
            // However late a row is sent, it takes its own place.
            let (writes, others) = (request_timeout(kind) * 5 / 4, None);
            writing.late = Some(Late { writes, others });
        }
        LiveCase { seed, from, like, to, mode, batch_rows, politely, reading, writing }
    }

    /// Runs until it is done, and compares. Panics when it does not end well.
    pub fn run(&self, sources: &Sources, servers: &LiveServers) -> Told {
        let source = sources.of(self.from, self.like);
        let source = source.get().unwrap();
        let folder = Folder::new();
        let before = RUNTIME.block_on(Proxy::scripted(&source.uri, self.reading.script()));
        let mut from = live_source(source, &before.uri, self.from);
        let mut proxies = vec![before];
        let Some(kind) = self.to.server() else {
            let sink = format!("parquet: {{ dir: out, mode: {} }}", self.mode.words().0);
            folder.write("run.yaml", &self.config(&from, &sink));
            let told = self.until_done(&folder, &proxies);
            let server = servers.of(Kind::Lite);
            let files = server.ask(&json!({ "do": "files", "folder": folder.path("out") }));
            let expected: Map<_, _> = source.rows.values().flat_map(rows_of).collect();
            same("files", &expected, files["rows"].as_object().unwrap());
            return told;
        };
        let server = servers.of(kind);
        let target = server.name("faults");
        let name = &target.name;
        let old = self.put_old(server, name);
        let behind = RUNTIME.block_on(Proxy::scripted(&server.uri, self.writing.script()));
        let (uri, limits) = (&behind.uri, limits(kind));
        let mut dumped = Told::default();
        let (from, place) = match self.to {
            Target::Dump(_) => {
                from = from.replacen("milvus: {", "milvus: { databases: [default],", 1);
                from = from.replacen("collections: { ", "collections: { default/", 1);
                folder.write("run.yaml", &self.config(&from, "parquet: { dir: d, dump: true }"));
                dumped = self.until_done(&folder, &proxies);
                proxies.clear();
                let rename = format!("default/{}: default/{name}", source.name);
                let from = format!("parquet: {{ paths: [d], dump: true, rename: {{ {rename} }} }}");
                (from, String::new())
            }
            _ => (from, format!("collection: {name}, ")),
        };
        let (mode, conflict) = self.mode.words();
        let sink = format!(
            "milvus: {{ uri: '{uri}', {place}mode: {mode}, on_conflict: {conflict}, {limits} }}"
        );
        folder.write("run.yaml", &self.config(&from, &sink));
        proxies.push(behind);
        let told = dumped + self.until_done(&folder, &proxies);
        if told.differing > 0 {
            return told;
        }
        server.call("load_collection", json!({ "collection_name": name }));
        let found = shown(server, name);
        for (partition, expected) in self.expected(source, old) {
            let found = rows_of(&found[&partition]).collect();
            same(&partition, &rows_of(&expected).collect(), &found);
        }
        assert_eq!(found.len(), source.rows.len(), "partitions");
        assert_eq!(left_beside(&server.uri, name), [""; 0], "nothing stays behind");
        told
    }

    fn until_done(&self, folder: &Folder, proxies: &[Proxy]) -> Told {
        let LiveCase { seed, politely, .. } = *self;
        // Milvus Lite goes through all rows for each page.
        let memory = if self.like == "large" { 64 } else { 4 };
        let doubles_after = None;
        let attempts =
            Attempts { case: self, seed, politely, memory, doubles_after, folder, proxies };
        let told = attempts.until_done();
        // What the judge sees, the program must see too.
        if seed % 3 == 1 && self.mode != Mode::Skip && told.differing == 0 {
            proxies.iter().for_each(Proxy::calm);
            let verified = folder.pipeline(&["verify", "run.yaml"]);
            assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        }
        told
    }

    /// The rows that the target has before, if it has any: of the kind `plain`, with other vectors.
    fn put_old(&self, server: &Server, collection: &str) -> Option<Map<String, Value>> {
        let ids: Vec<i64> = match self.mode {
            Mode::Create | Mode::SkipNothing => return None,
            // Those of the source are every seventh number from -1000 on.
            Mode::Fail => (0..400).map(|n| n * 7 - 997).collect(),
            Mode::Skip | Mode::Upsert | Mode::Overwrite => (-1200..-600).collect(),
        };
        let empty = json!({ "do": "make", "kind": "empty", "collection": collection, "rows": 0 });
        server.ask(&empty);
        server.ask(&json!({ "do": "insert", "collection": collection, "ids": ids }));
        Some(shown(server, collection))
    }

    fn config(&self, source: &str, sink: &str) -> String {
        let rows = self.batch_rows;
        format!(
            "version: 1\nsource: {{ {source} }}\nsink: {{ {sink} }}\nrun: {{ batch_rows: {rows} }}\n"
        )
    }

    /// The rows that the target must hold, by partition.
    fn expected(&self, source: &Source, old: Option<Map<String, Value>>) -> Map<String, Value> {
        let mut expected = source.rows.clone();
        let new = &mut expected["_default"];
        let old = old.filter(|_| self.mode != Mode::Overwrite);
        for (id, row) in old.iter().flat_map(|old| rows_of(&old["_default"])) {
            let rows = new.as_object_mut().unwrap();
            if self.mode == Mode::Skip || !rows.contains_key(&id) {
                rows.insert(id, row);
            }
        }
        expected
    }
}

impl Mode {
    /// As a configuration has it: `mode`, and `on_conflict`.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Mode::Create | Mode::Fail => ("append", "fail"),
            Mode::SkipNothing => ("skip", "fail"),
            Mode::Skip => ("append", "skip"),
            Mode::Upsert => ("append", "upsert"),
            Mode::Overwrite => ("overwrite", "fail"),
        }
    }
}

/// The source of a configuration.
fn live_source(source: &Source, uri: &str, kind: Kind) -> String {
    let (name, limits) = (&source.name, limits(kind));
    format!("milvus: {{ uri: '{uri}', collections: {{ {name}: }}, {limits} }}")
}

/// How long to wait for a server, and how often.
fn limits(kind: Kind) -> String {
    let request = request_timeout(kind).as_secs();
    format!("retry_for: 2m, timeouts: {{ connect: 10s, request: {request}s }}")
}

fn request_timeout(kind: Kind) -> Duration {
    Duration::from_secs(if kind == Kind::Milvus { 10 } else { 2 })
}

fn rows_of(rows: &Value) -> impl Iterator<Item = (String, Value)> + use<> {
    rows.as_object().unwrap().clone().into_iter()
}

/// Asserts that these are the same rows.
fn same(what: &str, expected: &Map<String, Value>, found: &Map<String, Value>) {
    for (id, row) in expected {
        assert_eq!(found.get(id), Some(row), "row {id} of {what}");
    }
    let more = found.keys().find(|id| !expected.contains_key(*id));
    assert_eq!(more, None, "{what} has it as well");
}
