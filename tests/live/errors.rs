//! What keeps a server from being read, and what is said about it.

use crate::common::folder::Folder;
use crate::support::{Server, run};

const PARQUET: &str = "sink: { parquet: { dir: out } }";

#[track_caller]
fn refused(lines: &[&str], code: i32, words: &[&str]) {
    let done = run(&Folder::new(), lines, &[]);
    assert_eq!(done.code, code, "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
    }
}

#[test]
fn names_that_nothing_has() {
    let milvus = Server::milvus();
    let source = milvus.made("parts", 30);
    let (name, whole) = (&source.name, source.source(""));
    let near = whole.replace(name, &name.replace("live", "life"));
    refused(&[&near, PARQUET], 2, &["There is no collection", &format!("did you mean `{name}`?")]);
    let part = whole.replace(&format!("{name}:"), &format!("{name}: [p9]"));
    refused(&[&part, PARQUET], 2, &["has no partition `p9`", "did you mean `p1`?"]);
    let field = source.source(", output_fields: [w]");
    refused(&[&field, PARQUET], 2, &["There is no field `w`", "source.milvus.output_fields"]);
    let database = source.source(", database: nowhere");
    refused(&[&database, PARQUET], 2, &["Milvus has no database `nowhere`; it has: "]);
    let filter = source.source(", filter: 'nothing > 1'");
    refused(&[&filter, PARQUET], 1, &["nothing"]);
}

#[test]
fn partitions_that_are_the_servers_own_are_not_chosen_or_renamed() {
    let milvus = Server::milvus();
    let source = milvus.made("keyed", 20);
    let name = &source.name;
    let renamed = source.source(&format!(", rename: {{ {name}/_default: other }}"));
    let words = ["is divided by a partition key", "source.milvus.rename"];
    refused(&[&renamed, PARQUET], 2, &words);
    let chosen = source.source("").replace(&format!("{name}:"), &format!("{name}: [_default]"));
    let words = ["is divided by a partition key", "source.milvus.collections"];
    refused(&[&chosen, PARQUET], 2, &words);
}

#[test]
fn servers_that_are_not_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let source = format!("source: {{ milvus: {{ uri: 'http://127.0.0.1:{port}' }} }}");
    refused(&[&source, PARQUET], 3, &["Cannot reach Milvus"]);
    let twice = source.replace("} }", ", token: a, user: b }}");
    refused(&[&twice, PARQUET], 2, &["source.milvus has both a token and a user"]);
}

#[test]
fn all_that_does_not_fit_a_target_is_said_at_once() {
    let milvus = Server::milvus();
    let (source, target) = (milvus.made("scalars", 5), milvus.made("plain", 5));
    let lines = [&*source.source(""), &*target.sink(", mode: append, on_conflict: insert")];
    let words = ["has no field `bool`", "has no field `varchars`", "has no field `json`"];
    refused(&lines, 2, &words);
}
