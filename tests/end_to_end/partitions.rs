//! Collections whose partitions are moved one by one.

use serde_json::json;

use crate::support::{Folder, Server, repository};

/// Milvus 2.3.5 calls a partition loaded some seconds before queries see its rows, where another one
/// of the collection was loaded before it. Ids that were there were not found then, and rows doubled.
#[test]
fn ids_are_found_in_a_partition_that_is_loaded_after_another() {
    let server = Server::milvus();
    let target = server.collection("parts");
    let path = repository("tests/milvus1/fixtures/A_float_l2/data");
    let config = json!({
        "version": 1,
        "source": { "milvus1": { "path": path, "collections": { "float_l2": null } } },
        "sink": { "milvus": {
            "uri": server.uri, "collection": target.name, "on_conflict": "skip",
        } },
    });
    let folder = Folder::new();
    folder.write("config.json", &config.to_string());
    for (decision, written) in [("created", true), ("appended", false)] {
        let done = folder.run(&["config.json", "--restart"]);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let tables = done.report["tables"].as_array().unwrap();
        assert_eq!(tables.len(), 3);
        for table in tables {
            assert_eq!(table["decision"], decision);
            let moved = if written { "rows_written" } else { "rows_skipped" };
            assert_eq!(table[moved], table["rows_read"], "{table}");
        }
    }
}
