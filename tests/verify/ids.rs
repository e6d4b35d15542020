//! Ids that come several times.

use serde_json::json;

use crate::support::*;

#[test]
fn rows_that_share_an_id_are_compared_as_what_they_are() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let allow = json!({
        "uri": server.uri, "collection": target.name, "on_duplicate_id": "allow",
    });
    let moved = Move::new(source("twice.parquet"), json!([]), json!({ "milvus": allow }));
    let done = moved.folder.run(&["config.json", "--verify", "content", "--parallelism", "8"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(done.report["tables"][0]["verified"], "content");
    assert!(done.stdout.contains("ids may come several times"), "{}", done.stdout);
    moved.is_same(&[]);
    moved.damage("flip", 100);
    moved.differs(&[], &["id 100: changed: the target's row is none of the source's"]);
}

#[test]
fn files_hold_all_rows_of_an_id() {
    for sink in [json!({ "parquet": {} }), json!({ "hdf5": {} })] {
        let moved = Move::new(source("twice.parquet"), json!([]), sink);
        moved.run(&[]);
        assert_eq!(moved.is_same(&[])["rows_in_target"], 200);
        // A third copy of a row that has a namesake.
        moved.damage("double", 3);
        moved.differs(&[], &["id 3: doubled: 3 times in the target, 2 in the source"]);
    }
}

#[test]
fn the_highest_id_is_there_although_milvus_does_not_show_it() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let transforms = json!([{ "remap": { "strategy": "offset", "offset": i64::MAX - 699 } }]);
    let sink = json!({ "milvus": { "uri": server.uri, "collection": target.name } });
    let moved = Move::new(source("one.h5"), transforms, sink);
    moved.run(&[]);
    let done = moved.verify(&[]);
    assert!(
        done.stdout.contains("1 row by the target's count, which it does not give back"),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert_eq!(done.code, 0, "{}", done.stderr);
}
