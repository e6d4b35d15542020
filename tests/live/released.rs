//! A collection that somebody else releases while it is read.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tokio::runtime::Runtime;

use crate::common::folder::Folder;
use crate::proxy::{Fault, Proxy};
use crate::support::{Server, moved};

/// Another run had loaded it, ended, and released it: this one failed with `collection not loaded`.
#[test]
fn what_is_released_while_it_is_read_is_loaded_again() {
    let runtime = Runtime::new().unwrap();
    for (server, other) in [(Server::milvus(), Server::milvus()), (Server::lite(), Server::lite())]
    {
        let folder = Folder::new();
        let source = server.made("plain", 2000);
        let queries = AtomicU32::new(0);
        let script = move |call: &str| match call {
            "Query" if [1, 8].contains(&queries.fetch_add(1, Ordering::Relaxed)) => Fault::ActAfter,
            _ => Fault::None,
        };
        let proxy = runtime.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        let name = source.name.clone();
        proxy.on_act(move || {
            other.call("release_collection", json!({ "collection_name": name }));
        });
        let from = source.source("").replace(&server.uri, &proxy.uri);
        let sink = "sink: { parquet: { dir: out } }\nrun: { batch_rows: 100 }";
        let done = moved(&folder, &[&from, sink], &["--verify", "content"]);
        let table = &done.report["tables"][0];
        assert_eq!((&table["rows_written"], &table["verified"]), (&json!(2000), &json!("content")));
        assert!(done.stderr.contains("Somebody released it while it was read"), "{}", done.stderr);
        assert_eq!(source.state(), "NotLoad", "as whoever released it wanted it");
    }
}

/// What a query node of 2.3.5 says of a partition that it lost from its list, or of one that it has not lost yet.
const LOST: [&str; 2] = [
    "failed to search/query delegator 1 for channel c: fail to Query, QueryNode ID = 1, reason=partition not loaded[partition=[4]]",
    "failed to search/query delegator 1 for channel c: fail to Query, QueryNode ID = 1, reason=worker(1) query failed: segment 7 belongs to partition 4, which is not in [5 6]",
];

/// Partitions were loaded at once, one of them was lost from the query node's list, and each query was repeated for
/// ten minutes.
#[test]
fn a_partition_that_a_query_node_lost_is_loaded_again() {
    let (runtime, milvus) = (Runtime::new().unwrap(), Server::milvus());
    let source = milvus.made("parts", 90);
    // The partition alone, or all that is loaded, where that was not enough.
    for (reason, enough) in [(LOST[0], 1), (LOST[1], 1), (LOST[0], 3)] {
        let (queries, loads) = (AtomicU32::new(0), AtomicU32::new(0));
        let script = move |call: &str| {
            if call.starts_with("Load") {
                loads.fetch_add(1, Ordering::Relaxed);
            }
            let is_lost = loads.load(Ordering::Relaxed) < enough;
            match call {
                "Query" if queries.fetch_add(1, Ordering::Relaxed) > 1 && is_lost => {
                    Fault::Status(65_535, 0, reason)
                }
                _ => Fault::None,
            }
        };
        let proxy = runtime.block_on(Proxy::scripted(&milvus.uri, Box::new(script)));
        let folder = Folder::new();
        let name = &source.name;
        let from = source.source(", retry_for: 2s").replace(&milvus.uri, &proxy.uri);
        let from = from.replace(&format!("{name}:"), &format!("{name}: [p1]"));
        let done = moved(&folder, &[&from, "sink: { parquet: { dir: out } }"], &[]);
        assert_eq!(done.report["tables"][0]["rows_written"], 30);
        assert!(done.stderr.contains("it is released and loaded again"), "{}", done.stderr);
        let calls = proxy.all_calls();
        let names: Vec<_> = calls
            .iter()
            .map(|call| call.name.as_str())
            .filter(|name| name.starts_with("Load") || name.starts_with("Release"))
            .collect();
        let partition = ["ReleasePartitions", "LoadPartitions"];
        let expected: Vec<_> = match enough {
            1 => partition.to_vec(),
            _ => [partition, partition, ["ReleaseCollection", "LoadPartitions"]].concat(),
        };
        assert_eq!(names, expected);
        assert_eq!(source.state(), "Loaded", "as it was");
    }
}
