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
