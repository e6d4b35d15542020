//! What no server holds that can be installed: against one of the test suite that stands in for a
//! Milvus 2.6.

use serde_json::json;

use crate::common::folder::Folder;
use crate::kinds::all_arrives;
use crate::milvus2_server::Milvus2;
use crate::support::{Server, moved, run};

fn server() -> Server {
    Server::at(Milvus2::start("v2.6.4").uri, false)
}

/// One that shows vectors that are null.
fn later_server() -> Server {
    Server::at(Milvus2::start("v3.0.0").uri, false)
}

#[test]
fn what_others_take_in_other_ways_arrives_on_the_newest() {
    let (server, other) = (server(), server());
    for kind in ["dynamic", "keyed", "nulls", "several"] {
        all_arrives(kind, &server, &[&other]);
    }
}

#[test]
fn int8_vectors_and_a_clustering_key() {
    all_arrives("int8s", &server(), &[&server()]);
}

#[test]
fn vectors_that_are_null() {
    all_arrives("holes", &later_server(), &[&later_server()]);
}

#[test]
fn a_null_vector_that_a_target_does_not_take_is_named_with_its_row() {
    let (from, to, folder) = (later_server(), server(), Folder::new());
    let (source, target) = (from.made("holes", 5), to.name("holes"));
    let lines = [&*source.source(""), &*target.sink("")];
    let done = run(&folder, &lines, &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    for words in [
        "has no vectors that are null: w, s has none in the new collection",
        "w, s can't be null there: a row in which it is fails the run",
        "Row with id -993: w is null, and the target takes no nulls",
        "split 0, row 1",
    ] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    let reject = "run: { on_bad_row: reject, rejects_dir: rejects }";
    let done = run(&folder, &[&lines[..], &[reject]].concat(), &["--restart"]);
    assert_eq!((done.code, &done.report["tables"][0]["rows_written"]), (4, &json!(2)));
}

#[test]
fn functions_with_what_they_compute() {
    all_arrives("computed", &server(), &[&server()]);
}

#[test]
fn several_indexes_of_one_field() {
    all_arrives("paths", &server(), &[&server()]);
}

#[test]
fn an_index_beside_others_of_its_field_is_made_by_the_run_that_goes_on() {
    let (to, milvus2, folder) = {
        let milvus2 = Milvus2::start("v2.6.4");
        (Server::at(milvus2.uri.clone(), false), milvus2, Folder::new())
    };
    let from = server();
    let (source, target) = (from.made("paths", 5), to.name("paths"));
    milvus2.store(|store| store.refused_index = Some("doc_b".to_owned()));
    let lines = [&*source.source(""), &*target.sink("")];
    let done = run(&folder, &lines, &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("no room for an index"), "{}", done.stderr);
    milvus2.store(|store| store.refused_index = None);
    moved(&folder, &lines, &[]);
    assert_eq!(target.indexes(), json!(["v", "doc_a", "doc_b"]));
}
