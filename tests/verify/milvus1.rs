//! The same at servers of 0.10 and 1.x.

use serde_json::json;
use vecpipe::milvus::v1::proto::{DeleteByIdParam, InsertParam, RowRecord};

use crate::server::{Fault, Milvus1};
use crate::support::*;

fn insert(server: &Milvus1, id: i64, vector: &[u8]) {
    let row = RowRecord { float_data: vector.to_vec().into(), ..RowRecord::default() };
    let request = InsertParam {
        collection_name: "c".to_owned(),
        row_record_array: vec![row],
        row_id_array: vec![id],
        partition_tag: String::new(),
    };
    server.store(|store| store.insert(request).and_then(|()| store.flush("c"))).unwrap();
}

fn delete(server: &Milvus1, id: i64) {
    let request = DeleteByIdParam {
        collection_name: "c".to_owned(),
        id_array: vec![id],
        partition_tag: String::new(),
    };
    server.store(|store| store.delete(request).and_then(|()| store.flush("c"))).unwrap();
}

#[test]
fn every_damage_is_named() {
    for version in ["0.10.0", "1.1.1"] {
        let server = Milvus1::start_apart(version);
        let sink = json!({ "milvus1": { "uri": server.uri, "collection": "c" } });
        let moved = Move::new(source("one.h5"), json!([]), sink);
        moved.run(&["--parallelism", "8"]);
        assert_eq!(moved.is_same(&[])["rows_in_target"], 700);
        let rows = server.rows("c", "_default");
        let (_, mut vector) = rows[7].clone();
        vector[20] ^= 1;
        delete(&server, 7);
        insert(&server, 7, &vector);
        moved.differs(&[], &["id 7: changed: vector[5] is "]);
        delete(&server, 8);
        insert(&server, 99, &rows[99].1);
        insert(&server, 55_555, &vector);
        moved.differs(
            &["--parallelism", "8"],
            &["id 7: changed", "id 8: missing", "id 99: doubled: 2 times", "id 55555: extra"],
        );
    }
}

#[test]
fn old_directories_into_an_old_server() {
    let server = Milvus1::start_apart("1.1.1");
    let path = repository("tests/milvus1/fixtures/A_float_l2/data");
    let source = json!({ "milvus1": { "path": path } });
    let sink = json!({ "milvus1": { "uri": server.uri } });
    let moved = Move::new(source, json!([]), sink);
    moved.run(&[]);
    assert_eq!(moved.verify(&[]).code, 0);
}

#[test]
fn a_run_that_moved_a_wrong_bit_ends_with_5_and_names_it() {
    let server = Milvus1::start_apart("1.1.1");
    let sink = json!({ "milvus1": { "uri": server.uri, "collection": "c" } });
    let moved = Move::new(source("one.h5"), json!([]), sink);
    server.fail(&[Fault::FlipBit]);
    // The counts agree.
    for _ in ["moves", "compares once more"] {
        let done = moved.folder.run(&["config.json", "--verify", "content"]);
        assert_eq!(done.code, 5, "{}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("\n  id 0: changed: vector[0] is "), "{}", done.stdout);
        assert!(done.stderr.contains("collection c: 1 row is changed"), "{}", done.stderr);
        let table = &done.report["tables"][0];
        assert_eq!(table["verified"], "count");
        assert_eq!(table["comparison"]["verdict"], "differ");
        assert_ne!(table["checksum"], table["comparison"]["checksum_of_target"]);
        assert_eq!(table["rows_written"], 700);
    }
}
