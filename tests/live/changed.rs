//! A collection that changes while it is read, or after it was.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::common::folder::Folder;
use crate::proxy::{Fault, Proxy};
use crate::support::{Server, moved};

/// Longer than the look took at most, which was given up then.
const SLOW: Duration = Duration::from_secs(6);

/// How often a move asks the server for the time: at its plan, and when all rows have moved.
fn looks(runtime: &Runtime, server: &Server, source: &str, sink: &str) -> u32 {
    let proxy = runtime.block_on(Proxy::start(&server.uri, &[]));
    moved(&Folder::new(), &[&source.replace(&server.uri, &proxy.uri), sink], &[]);
    let calls = proxy.all_calls().into_iter();
    u32::try_from(calls.filter(|call| call.name == "AllocTimestamp").count()).unwrap()
}

/// Rows were deleted, and the count at the end took more than five seconds for all tables: nothing was said.
#[test]
fn rows_that_go_while_they_are_read_are_told_however_long_the_count_takes() {
    let runtime = Runtime::new().unwrap();
    let sink = "sink: { parquet: { dir: out } }";
    for (server, other) in [(Server::milvus(), Server::milvus()), (Server::lite(), Server::lite())]
    {
        let source = server.made("plain", 2000);
        let last = looks(&runtime, &server, &source.source(""), sink);
        let (name, seen) = (source.name.clone(), AtomicU32::new(0));
        let script = move |call: &str| match call {
            "AllocTimestamp" if seen.fetch_add(1, Ordering::Relaxed) + 1 == last => {
                Fault::ActBefore
            }
            "Query" if seen.load(Ordering::Relaxed) >= last => Fault::Delay(SLOW),
            _ => Fault::None,
        };
        let proxy = runtime.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        proxy.on_act(move || {
            other.call("delete", json!({ "collection_name": name, "ids": [-1000, -993] }));
        });
        let from = source.source(", timeouts: { request: 20s }").replace(&server.uri, &proxy.uri);
        let done = moved(&Folder::new(), &[&from, sink], &[]);
        let table = &done.report["tables"][0];
        let told = "It had 2,000 rows when the run was planned, and has 1,998 now";
        assert!(done.stderr.contains(told), "{}", done.stderr);
        assert!(table["warnings"][0].as_str().unwrap().starts_with(told), "{table}");
    }
}

/// What is not known is told as that, and what to do.
#[test]
fn a_source_that_can_not_be_counted_again_is_told() {
    let runtime = Runtime::new().unwrap();
    let (server, folder) = (Server::lite(), Folder::new());
    let source = server.made("plain", 300);
    let sink = "sink: { parquet: { dir: out } }";
    let last = looks(&runtime, &server, &source.source(""), sink);
    let seen = AtomicU32::new(0);
    let script = move |call: &str| match call {
        "AllocTimestamp" if seen.fetch_add(1, Ordering::Relaxed) + 1 >= last => Fault::Silence,
        _ => Fault::None,
    };
    let proxy = runtime.block_on(Proxy::scripted(&server.uri, Box::new(script)));
    let from = source.source(", timeouts: { request: 3s }, retry_for: 10s");
    let done = moved(&folder, &[&from.replace(&server.uri, &proxy.uri), sink], &[]);
    let warnings: &Value = &done.report["tables"][0]["warnings"];
    let told = warnings[0].as_str().unwrap_or_default();
    assert!(
        told.starts_with("Whether its rows changed while they were read is not known"),
        "{done:?}"
    );
    assert!(told.contains("`pipeline verify`"), "{told}");
}

/// What is listed may be gone when it is asked about. A whole database was not read then.
#[test]
fn collections_that_are_dropped_while_they_are_listed_are_no_failure() {
    let runtime = Runtime::new().unwrap();
    let server = Server::milvus().database("vecpipe_dropped");
    for call in ["DescribeCollection", "ShowPartitions", "ListAliases", "DescribeIndex"] {
        let other = Server::milvus().database("vecpipe_dropped");
        let (kept, dropped) = (server.made("plain", 20), server.made("plain", 20));
        assert!(kept.name < dropped.name, "the second one is asked about last");
        let (name, seen) = (dropped.name.clone(), AtomicU32::new(0));
        let script = move |of: &str| match of {
            of if of == call && seen.fetch_add(1, Ordering::Relaxed) == 0 => Fault::ActAfter,
            _ => Fault::None,
        };
        let proxy = runtime.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        proxy.on_act(move || other.call("drop_collection", json!({ "collection_name": name })));
        let uri = &proxy.uri;
        let from = format!("source: {{ milvus: {{ uri: '{uri}', database: vecpipe_dropped }} }}");
        let done = moved(&Folder::new(), &[&from, "sink: { parquet: { dir: out } }"], &[]);
        let tables = done.report["tables"].as_array().unwrap();
        assert_eq!(tables.len(), 1, "{call}: {tables:?}");
        assert_eq!(tables[0]["rows_written"], 20, "{call}");
    }
    server.ask(&json!({ "do": "drop database" }));
}
