//! Servers with collections of every kind, and moves between them.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::common::folder::{Done, Folder};
use crate::common::judge::Judge;

/// A server, and pymilvus to fill it and to look into it.
pub struct Server {
    pub uri: String,
    pub lite: bool,
    /// Other than the default one.
    database: Option<&'static str>,
    judge: Judge,
}

impl Server {
    /// Milvus 2.3.5.
    pub fn milvus() -> Server {
        Server::named("VECPIPE_TEST_MILVUS", false)
    }

    /// Milvus Lite.
    pub fn lite() -> Server {
        Server::named("VECPIPE_TEST_LITE", true)
    }

    /// Milvus Lite 2.5.1, which has little in common with later ones.
    pub fn early_lite() -> Server {
        Server::named("VECPIPE_TEST_LITE251", true)
    }

    fn named(variable: &str, lite: bool) -> Server {
        let uri = std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run the tests with scripts/test, which starts servers")
        });
        Server::at(uri, lite)
    }

    /// One database of a server, made if need be.
    pub fn within(&self, database: &str) -> Server {
        let judge = Judge::start("tests/judges/live.py", [self.uri.as_str(), database]);
        judge.ask(&json!({ "do": "make database" }));
        Server { uri: self.uri.clone(), lite: self.lite, database: None, judge }
    }

    /// The server at this address.
    pub fn at(uri: String, lite: bool) -> Server {
        let judge = Judge::start("tests/judges/live.py", [uri.as_str()]);
        Server { uri, lite, database: None, judge }
    }

    /// A database of the server, made if it is missing.
    pub fn database(self, name: &'static str) -> Server {
        Server { database: Some(name), ..self.within(name) }
    }

    /// What a configuration says of it.
    fn place(&self) -> String {
        let database = self.database.map(|name| format!(", database: {name}"));
        format!("uri: '{}'{}", self.uri, database.unwrap_or_default())
    }

    #[track_caller]
    pub fn ask(&self, request: &Value) -> Value {
        let answer = self.judge.ask(request);
        assert_eq!(answer["wrong"], Value::Null, "{request}");
        answer
    }

    /// The same where a failure does not matter.
    pub fn try_ask(&self, request: &Value) {
        self.judge.try_ask(request);
    }

    /// Calls a method of pymilvus's MilvusClient.
    #[track_caller]
    pub fn call(&self, name: &str, arguments: Value) {
        self.ask(&json!({ "do": "call", "name": name, "arguments": arguments }));
    }

    /// A collection name that no other test uses; what has it is dropped at the end.
    pub fn name(&self, kind: &str) -> Collection<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vecpipe_live_{kind}_{:06x}_{n:03}", std::process::id());
        Collection { server: self, name }
    }

    /// A collection of a kind that the judge knows.
    #[track_caller]
    pub fn made(&self, kind: &str, rows: usize) -> Collection<'_> {
        let made = self.name(kind);
        let name = &made.name;
        self.ask(&json!({ "do": "make", "kind": kind, "collection": name, "rows": rows }));
        made
    }
}

/// A collection that is dropped at the end.
pub struct Collection<'a> {
    pub server: &'a Server,
    pub name: String,
}

impl Collection<'_> {
    /// The name; what has it is not dropped at the end.
    pub fn lasting(self) -> String {
        let mut this = std::mem::ManuallyDrop::new(self);
        std::mem::take(&mut this.name)
    }

    /// All that pymilvus tells of it.
    #[track_caller]
    pub fn tell(&self) -> Value {
        self.server.ask(&json!({ "do": "tell", "collection": self.name }))
    }

    /// `Loaded` or `NotLoad`.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.server.ask(&json!({ "do": "state", "collection": self.name }))["state"].clone()
    }

    /// Names of its indexes.
    #[track_caller]
    pub fn indexes(&self) -> Value {
        self.server.ask(&json!({ "do": "state", "collection": self.name }))["indexes"].clone()
    }

    /// The `source` of a configuration, with more settings.
    pub fn source(&self, more: &str) -> String {
        let Collection { server, name } = self;
        format!("source: {{ milvus: {{ {}, collections: {{ {name}: }}{more} }} }}", server.place())
    }

    /// The `sink` of a configuration, with more settings.
    pub fn sink(&self, more: &str) -> String {
        let Collection { server, name } = self;
        format!("sink: {{ milvus: {{ {}, collection: {name}{more} }} }}", server.place())
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        self.server.judge.try_ask(&json!({ "do": "drop", "collections": [self.name] }));
    }
}

/// `pipeline run` of a configuration of these lines.
pub fn run(folder: &Folder, lines: &[&str], arguments: &[&str]) -> Done {
    folder.write("move.yaml", &format!("version: 1\n{}\n", lines.join("\n")));
    folder.run(&[&["move.yaml"], arguments].concat())
}

/// The same, which must end well and be of one table with so many rows; its warnings and notes.
#[track_caller]
pub fn moved(folder: &Folder, lines: &[&str], arguments: &[&str]) -> Done {
    let done = run(folder, lines, arguments);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    done
}
