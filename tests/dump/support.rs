//! Databases of a test's own, with collections in them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::common::folder::{Done, Folder};
use crate::live_support::Server;

/// A database that is dropped at the end.
pub struct Database {
    pub name: String,
    pub server: Server,
}

impl Database {
    /// A new one.
    pub fn on(server: &Server) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vecpipe_dump_{:06x}_{n:03}", std::process::id());
        Database { server: server.within(&name), name }
    }

    /// Makes a collection of a kind that the judge knows.
    #[track_caller]
    pub fn make(&self, kind: &str, rows: usize) {
        self.server.ask(&json!({ "do": "make", "kind": kind, "collection": kind, "rows": rows }));
    }

    /// All that pymilvus tells of these collections.
    #[track_caller]
    pub fn tell(&self, collections: &[&str]) -> Vec<Value> {
        let tell = |name: &&str| {
            let mut told = self.server.ask(&json!({ "do": "tell", "collection": name }));
            for field in told["schema"]["fields"].as_array_mut().unwrap() {
                // The ids are kept.
                field["auto"] = Value::Null;
            }
            told
        };
        collections.iter().map(tell).collect()
    }

    /// Names of all its collections.
    #[track_caller]
    pub fn names(&self) -> Value {
        self.server.ask(&json!({ "do": "names", "prefix": "" }))["names"].clone()
    }

    /// Drops it, with all that it has.
    #[track_caller]
    pub fn drop(&self) {
        self.server.ask(&json!({ "do": "drop database" }));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.try_ask(&json!({ "do": "drop database" }));
    }
}

/// `pipeline ARGUMENTS`, which must end well.
#[track_caller]
pub fn done(folder: &Folder, arguments: &[&str]) -> Done {
    let done = folder.pipeline(arguments);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    done
}
