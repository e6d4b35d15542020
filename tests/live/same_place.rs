//! A target that is what is read: refused before anything changes, found by the server's own ids or
//! by addresses, however the configuration spells the two. Copies within one server work.

use std::sync::LazyLock;

use serde_json::json;
use tokio::runtime::Runtime;

use crate::common::folder::{Done, Folder};
use crate::proxy::Proxy;
use crate::support::{Collection, Server, moved};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The source of a collection, or of the partitions named in brackets.
fn source(uri: &str, collection: &str, partitions: &str) -> String {
    format!(
        "source: {{ milvus: {{ uri: '{uri}', collections: {{ {collection}: {partitions} }} }} }}"
    )
}

fn sink(uri: &str, settings: &str) -> String {
    format!("sink: {{ milvus: {{ uri: '{uri}', {settings} }} }}")
}

fn with_localhost(uri: &str) -> String {
    assert!(uri.contains("127.0.0.1"), "{uri}");
    uri.replace("127.0.0.1", "localhost")
}

/// `plan` and `run` refuse with exit code 2, and `collection` keeps all it had.
#[track_caller]
fn refused(collection: &Collection<'_>, lines: &[&str], words: &[&str]) {
    let before = collection.tell();
    for command in ["run", "plan"] {
        let folder = Folder::new();
        folder.write("move.yaml", &format!("version: 1\n{}\n", lines.join("\n")));
        let Done { code, stdout, stderr, .. } = folder.pipeline(&[command, "move.yaml"]);
        let told = format!("{command} {lines:?}\n{stdout}{stderr}");
        assert_eq!(code, 2, "{told}");
        let same = "Source and target are the same collection";
        for word in [&[same], words].concat() {
            assert!(stderr.contains(word), "{word}: {told}");
        }
    }
    assert_eq!(collection.tell(), before, "{lines:?}");
}

#[test]
fn a_partition_is_not_overwritten_by_its_own_rows() {
    let milvus = Server::milvus();
    let made = milvus.made("parts", 300);
    let (uri, name) = (&milvus.uri, &made.name);
    let proxy = RUNTIME.block_on(Proxy::start(uri, &[]));
    for address in [uri, &with_localhost(uri), &proxy.uri] {
        let words = [
            &*format!("the run would overwrite collection {name}, partition p1"),
            &*format!("which table {name}/p1 is read from"),
            "rebuilding a collection in place is not supported yet",
        ];
        let from = source(address, name, "[p1]");
        refused(&made, &[&from, &sink(uri, "mode: overwrite")], &words);
        let to = sink(address, "mode: overwrite");
        refused(&made, &[&source(uri, name, "[p1]"), &to], &words);
    }
}

#[test]
fn a_collection_that_cannot_be_swapped_is_not_overwritten_by_its_own_rows() {
    let early = Server::early_lite();
    let made = early.made("plain", 200);
    let from = source(&early.uri, &made.name, "");
    for address in [&early.uri, &with_localhost(&early.uri)] {
        let words = ["the run would overwrite", "in place is not supported yet"];
        refused(&made, &[&from, &sink(address, "mode: overwrite")], &words);
    }
}

#[test]
fn a_collection_is_not_rebuilt_in_place() {
    for server in [Server::milvus(), Server::lite()] {
        let made = server.made("parts", 90);
        let from = source(&server.uri, &made.name, "");
        let to = sink(&with_localhost(&server.uri), "mode: overwrite");
        let words = ["rebuilding a collection in place is not supported yet"];
        refused(&made, &[&from, &to], &words);
    }
}

#[test]
fn rows_are_not_added_to_themselves() {
    for server in [Server::milvus(), Server::lite()] {
        let made = server.made("plain", 100);
        let (uri, name) = (&server.uri, &made.name);
        let alias = format!("{name}_alias");
        server.call("create_alias", json!({ "collection_name": name, "alias": &alias }));
        let from = source(uri, name, "");
        for conflict in ["fail", "skip", "upsert", "insert"] {
            let to = sink(&with_localhost(uri), &format!("on_conflict: {conflict}"));
            refused(&made, &[&from, &to], &["the run would append to"]);
        }
        let to = sink(uri, &format!("collection: {alias}, on_conflict: upsert"));
        refused(&made, &[&from, &to], &[&format!("collection {name}")]);
        let several = format!(
            "source: {{ milvus: {{ uri: '{uri}', databases: [default], collections: {{ default/{name}: }} }} }}"
        );
        if !server.lite {
            refused(&made, &[&several, &sink(uri, "")], &["the run would append to"]);
        }
        server.call("drop_alias", json!({ "alias": alias }));
    }
}

#[test]
fn a_collection_and_its_partitions_overlap() {
    let milvus = Server::milvus();
    let made = milvus.made("parts", 90);
    let (uri, name) = (&milvus.uri, &made.name);
    let one = sink(uri, &format!("collection: {name}, partition: p1, mode: overwrite"));
    refused(&made, &[&source(uri, name, ""), &one], &["partition p1"]);
    let whole = sink(uri, &format!("collection: {name}, partition: '', mode: overwrite"));
    refused(&made, &[&source(uri, name, "[p1]"), &whole], &["partition p1"]);
    // What one table writes, another one reads.
    let mapping = format!("mapping: {{ {name}: {{ partitions: {{ p1: p2 }} }} }}");
    refused(&made, &[&source(uri, name, "[p1, p2]"), &sink(uri, &mapping)], &["partition p2"]);
}

#[test]
fn collections_with_a_partition_key_overlap_as_a_whole() {
    let milvus = Server::milvus();
    let made = milvus.made("keyed", 40);
    let from = source(&milvus.uri, &made.name, "");
    refused(&made, &[&from, &sink(&milvus.uri, "on_conflict: insert")], &["would append to"]);
}

#[test]
fn an_upsert_that_takes_rows_out_of_the_partition_that_is_read_is_refused() {
    let lite = Server::lite();
    let made = lite.made("parts", 90);
    let (uri, name) = (&lite.uri, &made.name);
    let to = sink(uri, &format!("collection: {name}, partition: p2, on_conflict: upsert"));
    refused(&made, &[&source(uri, name, "[p1]"), &to], &["partition p2"]);
}

#[test]
fn a_copy_within_one_server_works() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let made = milvus.made("parts", 90);
    let (uri, name) = (&milvus.uri, &made.name);
    let rows = made.tell()["rows"].clone();
    // Into another partition of the same collection: one that is there, and a new one.
    for partition in ["p2", "p3"] {
        let to = sink(uri, &format!("collection: {name}, partition: {partition}"));
        moved(&folder, &[&source(uri, name, "[p1]"), &to], &["--verify", "content"]);
    }
    let after = made.tell()["rows"].clone();
    assert_eq!((&after["p1"], &after["p3"]), (&rows["p1"], &rows["p1"]));
    assert_eq!(after["p2"].as_object().unwrap().len(), 60);
    // One that is overwritten by rows of another.
    let over = sink(uri, &format!("collection: {name}, partition: p3, mode: overwrite"));
    moved(&folder, &[&source(uri, name, "[p2]"), &over], &[]);
    assert_eq!(made.tell()["rows"]["p3"], after["p2"]);
    // Into another collection, and into one of the same name in another database.
    let other = milvus.name("copy");
    let to = sink(uri, &format!("collection: {}, mode: overwrite", other.name));
    moved(&folder, &[&source(uri, name, "[p1]"), &to], &[]);
    let database = Server::milvus().database("vecpipe_same_place");
    let copy = Collection { server: &database, name: name.clone() };
    for mode in ["append", "overwrite"] {
        let to = copy.sink(&format!(", mode: {mode}"));
        moved(&folder, &[&source(uri, name, "[p1]"), &to], &["--verify", "content"]);
    }
    // From there back, whatever both are called.
    let to = sink(uri, &format!("collection: {name}, mode: overwrite"));
    moved(&folder, &[&copy.source(""), &to], &["--verify", "content"]);
}

#[test]
fn what_is_left_alone_may_be_what_is_read() {
    let lite = Server::lite();
    let made = lite.made("plain", 50);
    let (uri, name) = (&lite.uri, &made.name);
    let done = moved(&Folder::new(), &[&source(uri, name, ""), &sink(uri, "mode: skip")], &[]);
    assert_eq!(done.report["tables"][0]["decision"], "skipped");
}

/// Milvus Lite gives no ids of collections, and the two addresses have nothing in common.
#[test]
fn a_server_without_ids_is_recognised_through_a_proxy_by_the_mark_of_the_run() {
    let lite = Server::lite();
    let made = lite.made("plain", 50);
    let before = made.tell();
    let proxy = RUNTIME.block_on(Proxy::start(&lite.uri, &[]));
    let folder = Folder::new();
    let (from, to) = (source(&lite.uri, &made.name, ""), sink(&proxy.uri, "on_conflict: upsert"));
    folder.write("move.yaml", &format!("version: 1\n{from}\n{to}\n"));
    let done = folder.pipeline(&["run", "move.yaml"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains("Source and target are the same collection"), "{}", done.stderr);
    assert_eq!(made.tell(), before);
}
