//! Names that a new server refuses: what the plan suggests can be pasted, and then works.

use serde_json::json;

use crate::milvus1_writer::{SegmentToWrite, write, write_partition};
use crate::support::{Folder, Server, sample};

fn segment(ids: std::ops::Range<i64>) -> [SegmentToWrite; 1] {
    [SegmentToWrite { ids: ids.collect(), deleted: Vec::new(), file_type: 1 }]
}

#[test]
fn the_suggested_names_can_be_pasted() {
    for server in [Server::milvus(), Server::lite()] {
        let folder = Folder::new();
        let collection = server.collection("names");
        let old = collection.name.replace('_', "-");
        let data = folder.path("data");
        write(&data, &old, 4, &segment(0..5));
        for (n, tag) in (1..).zip(["a b", "a-b", "ä"]) {
            write_partition(&data, &old, tag, 4, &segment(n * 10..n * 11));
        }
        let config = |rename: &str| {
            format!(
                "version: 1\nsource:\n  milvus1:\n    path: data\n{rename}sink: {{ milvus: {{ uri: '{}', mode: overwrite }} }}\n",
                server.uri
            )
        };
        folder.write("m2m.yaml", &config(""));
        let refused = folder.pipeline(&["plan", "m2m.yaml"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("4 names of the source"), "{}", refused.stderr);
        let (_, suggested) = refused.stderr.split_once("    rename:\n").expect("a suggestion");
        let entries: String = suggested.lines().map(|line| format!("{line}\n")).collect();
        folder.write("m2m.yaml", &config(&format!("    rename:\n{entries}")));

        let done = folder.run(&["m2m.yaml"]);
        assert_eq!(done.table("created")["rows_written"], 5);
        assert_eq!(collection.partitions(), json!(["_default", "a", "a_b", "a_b_2"]));
        let again = folder.run(&["m2m.yaml"]);
        assert_eq!(again.table("overwritten")["rows_written"], 5);
        let tables = again.report["tables"].as_array().unwrap();
        assert!(tables.iter().all(|table| table["target_rows_after"] == table["rows_written"]));
    }
}

#[test]
fn a_file_s_name_is_replaced_in_the_sink() {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "my file-1.h5");
    folder.write(
        "h2m.yaml",
        "version: 1\nsource: { hdf5: { paths: [my file-1.h5] } }\nsink: { milvus: { uri: 'http://127.0.0.1:1' } }\n",
    );
    let refused = folder.pipeline(&["plan", "h2m.yaml"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let suggested = "sink.milvus.collection: my_file_1    # table my file-1";
    assert!(refused.stderr.contains(suggested), "{}", refused.stderr);
}
