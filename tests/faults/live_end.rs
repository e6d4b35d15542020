//! A live source that goes away, or changes, while a run is cut off; and what the next one reads of it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::folder::{Done, Folder};
use crate::common::kill::settled;
use crate::lite::Lite;
use crate::live_support::{Collection, Server};
use crate::proxy::{Fault, Proxy, Script};
use crate::target::RUNTIME;

const ROWS: u64 = 600;

/// A collection on its way into another one, page by page.
struct Case<'a> {
    folder: Folder,
    source: Collection<'a>,
    /// What pymilvus shows of it.
    rows: Value,
    target: Collection<'a>,
    proxy: Proxy,
}

/// Between the program and which server the script stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Source,
    Target,
}

impl<'a> Case<'a> {
    fn new(source: &'a Server, target: &'a Server, before: Before, script: Script) -> Case<'a> {
        let server = if before == Before::Source { source } else { target };
        let proxy = RUNTIME.block_on(Proxy::scripted(&server.uri, script));
        let (folder, made) = (Folder::new(), source.made("plain", ROWS as usize));
        let target = target.name("plain");
        let (mut from, mut to) = (made.source(", retry_for: 1s"), target.sink(""));
        let line = if before == Before::Source { &mut from } else { &mut to };
        *line = line.replace(&server.uri, &proxy.uri);
        let text = format!("version: 1\n{from}\n{to}\nrun: {{ batch_rows: 20 }}\n");
        folder.write("run.yaml", &text);
        let rows = made.tell()["rows"].clone();
        Case { folder, source: made, rows, target, proxy }
    }

    fn run(&self) -> Done {
        self.folder.run(&["run.yaml", "--parallelism", "1", "-v"])
    }

    /// Runs until the script says that the program is killed; rows that are settled then.
    fn is_killed(&self) -> u64 {
        let mut command = self.folder.command(&["run", "run.yaml", "--parallelism", "1"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        let victim = Arc::clone(&child);
        self.proxy.on_act(move || victim.lock().unwrap().kill().unwrap());
        // The proxy looks at the child while it runs: it is waited for with the lock free.
        let status = loop {
            if let Some(status) = child.lock().unwrap().try_wait().unwrap() {
                break status;
            }
            std::thread::yield_now();
        };
        assert_eq!(status.code(), None, "it is killed");
        RUNTIME.block_on(self.proxy.at_rest());
        settled(&self.folder.path(""), "run.yaml")
    }

    /// Runs to the end, and compares both: each row was read and written once, in all attempts
    /// together, of which the earlier ones settled so many.
    fn goes_on(&self, settled: u64) {
        let done = self.run();
        assert_eq!(done.code, 0, "{}", done.stderr);
        let table = &done.report["tables"][0];
        assert_eq!(table["rows_resumed"], settled, "{table}");
        assert_eq!((&table["rows_read"], &table["rows_written"]), (&json!(ROWS), &json!(ROWS)));
        let told = self.target.tell();
        assert!(told["rows"] == self.rows, "the target is the source");
        assert_eq!(told["counts"], json!({ "_default": ROWS }));
    }
}

/// Meets the `nth` call of this name.
fn at(name: &'static str, nth: u32, fault: Fault) -> Script {
    let mut calls = 0;
    Box::new(move |call| {
        calls += u32::from(call == name);
        if call == name && calls == nth { fault } else { Fault::None }
    })
}

/// In the middle of the rows: before them, their keys were divided, and their ids read by as many queries.
fn killed() -> Script {
    at("Query", 58, Fault::ActBefore)
}

#[test]
fn a_run_whose_source_goes_away_says_so_and_is_gone_on_with() {
    let data = tempfile::tempdir().unwrap();
    let lite = Arc::new(Mutex::new(Lite::start(data.path().to_owned())));
    let (from, to) = (Server::at(lite.lock().unwrap().uri(), true), Server::lite());
    let case = Case::new(&from, &to, Before::Target, at("Insert", 5, Fault::ActAfter));
    // The proxy outlives the test, and the server must not.
    let stopped = Arc::downgrade(&lite);
    case.proxy.on_act(move || stopped.upgrade().unwrap().lock().unwrap().stop());
    let done = case.run();
    assert_eq!(done.code, 3, "{}", done.stderr);
    let told = format!("Cannot reach Milvus at {}", from.uri);
    assert!(done.stderr.contains(&told), "{}", done.stderr);
    let place = format!("table {}, split 0, from row", case.source.name);
    assert!(done.stderr.contains(&place), "{}", done.stderr);
    let advice = done.report["advice"].as_str().unwrap();
    assert!(advice.contains("run the same command again to go on"), "{advice}");
    let written = done.report["tables"][0]["rows_written"].as_u64().unwrap();
    assert!(written >= 100, "five requests arrived");
    lite.lock().unwrap().launch();
    case.goes_on(written);
}

#[test]
fn a_run_that_is_killed_while_it_reads_keeps_what_is_settled() {
    let lite = Server::lite();
    let case = Case::new(&lite, &lite, Before::Source, killed());
    let settled = case.is_killed();
    assert!(0 < settled && settled < ROWS, "{settled}");
    case.goes_on(settled);
}

/// Rows have moved by their place in the order of keys, where others may be by now.
#[test]
fn a_run_whose_source_grew_is_not_gone_on_with() {
    let lite = Server::lite();
    let case = Case::new(&lite, &lite, Before::Source, killed());
    case.is_killed();
    lite.ask(&json!({ "do": "insert", "collection": case.source.name, "ids": [-999] }));
    let done = case.run();
    assert_eq!(done.code, 2, "{}", done.stderr);
    let told = format!("table {}: it had 600 rows, has 601", case.source.name);
    assert!(done.stderr.contains(&told), "{}", done.stderr);
}
