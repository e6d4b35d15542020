//! MilvusDM's H2M.yaml in every mode, for collections and for partitions.

use serde_json::json;

use crate::support::{Collection, Done, Folder, Server, sample};

/// A file with MilvusDM's keys and spellings; what users change is the path, the host, the port, the
/// mode and the names.
fn h2m(server: &Server, file: &str, mode: &str, collection: &str, partition: &str) -> String {
    let (dimension, metric) = match file {
        "bytes.h5" | "strings.h5" => (512, "HAMMING"),
        _ => (128, "L2"),
    };
    format!(
        "\
H2M:
  milvus-version: 1.x
  # Give data_path or data_dir, and leave the other None.
  data_path:
    - {path}
  data_dir:
  dest_host: '127.0.0.1'
  dest_port: {port}
  mode: '{mode}'        # 'skip/append/overwrite'
  dest_collection_name: '{collection}'
  dest_partition_name: '{partition}'
  collection_parameter:
    dimension: {dimension}
    index_file_size: 1024
    metric_type: '{metric}'
",
        path = sample(file).display(),
        port = server.port(),
    )
}

struct Steps<'a> {
    server: &'a Server,
    folder: Folder,
    collection: Collection<'a>,
}

impl<'a> Steps<'a> {
    fn new(server: &'a Server) -> Self {
        Steps { server, folder: Folder::new(), collection: server.collection("milvusdm") }
    }

    /// One run of H2M.yaml.
    fn run(&self, mode: &str, partition: &str, file: &str) -> Done {
        let text = h2m(self.server, file, mode, &self.collection.name, partition);
        self.folder.write("H2M.yaml", &text);
        self.folder.run(&["H2M.yaml", "--parallelism", "8"])
    }
}

/// Refused, since the target holds the ids already; nothing was written.
#[track_caller]
fn refused_for_ids(done: &Done) {
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!(done.report["status"], "failed");
    let table = &done.report["tables"][0];
    assert_eq!((&table["status"], &table["rows_written"]), (&json!("not_started"), &json!(0)));
    assert_eq!(table["decision"], json!(null));
    for words in ["2,000 ids", "on_conflict"] {
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
}

#[test]
fn collections_on_milvus_2_3() {
    collections(&Server::milvus());
}

#[test]
fn collections_on_milvus_lite() {
    collections(&Server::lite());
}

fn collections(server: &Server) {
    let steps = Steps::new(server);
    let table = steps.run("append", "", "a.h5");
    assert_eq!(table.table("created")["rows_written"], 2000);
    let facts = steps.collection.holds(&["a.h5"]);
    assert_eq!((&facts["metric"], &facts["vector_field"]), (&json!("L2"), &json!("embedding")));

    refused_for_ids(&steps.run("append", "", "a.h5"));
    steps.collection.holds(&["a.h5"]);

    let done = steps.run("append", "", "b.h5");
    let table = done.table("appended");
    assert_eq!(
        (&table["target_rows_before"], &table["target_rows_after"]),
        (&json!(2000), &json!(3500))
    );
    steps.collection.holds(&["a.h5", "b.h5"]);

    let done = steps.run("skip", "", "a.h5");
    assert_eq!(done.table("skipped")["rows_written"], 0);
    steps.collection.holds(&["a.h5", "b.h5"]);

    let done = steps.run("overwrite", "", "b.h5");
    assert_eq!(done.table("overwritten")["rows_written"], 1500);
    assert!(done.stderr.contains("Replacing 3,500 rows"), "{}", done.stderr);
    steps.collection.holds(&["b.h5"]);

    for mode in ["skip", "overwrite"] {
        let fresh = Steps::new(server);
        fresh.run(mode, "", "a.h5").table("created");
        fresh.collection.holds(&["a.h5"]);
    }
}

#[test]
fn partitions_on_milvus_2_3() {
    partitions(&Server::milvus());
}

#[test]
fn partitions_on_milvus_lite() {
    partitions(&Server::lite());
}

fn partitions(server: &Server) {
    let steps = Steps::new(server);
    let collection = &steps.collection;
    steps.run("append", "p1", "a.h5").table("created");
    assert_eq!(collection.partitions(), json!(["_default", "p1"]));
    collection.part_holds(Some("p1"), &["a.h5"]);

    // The mode is about the partition: this one does not exist yet.
    let done = steps.run("skip", "p2", "b.h5");
    assert_eq!(done.table("created")["rows_written"], 1500);
    collection.part_holds(Some("p2"), &["b.h5"]);
    collection.part_holds(Some("p1"), &["a.h5"]);

    let done = steps.run("skip", "p2", "a.h5");
    assert_eq!(done.table("skipped")["rows_written"], 0);

    refused_for_ids(&steps.run("append", "p1", "a.h5"));
    collection.holds(&["a.h5", "b.h5"]);

    let done = steps.run("append", "p1", "numbered.h5");
    // 167 of the numbers 0 to 499 are ids of a.h5: 0, 3, 6, …
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("167 ids"), "{}", done.stderr);

    let done = steps.run("overwrite", "p1", "numbered.h5");
    assert_eq!(done.table("overwritten")["rows_written"], 500);
    collection.part_holds(Some("p1"), &["numbered.h5"]);
    collection.part_holds(Some("p2"), &["b.h5"]);
    assert_eq!(collection.partitions(), json!(["_default", "p1", "p2"]));
}

#[test]
fn binary_vectors_in_every_mode() {
    let server = Server::milvus();
    let steps = Steps::new(&server);
    steps.run("append", "", "strings.h5").table("created");
    assert_eq!(steps.collection.holds(&["strings.h5"])["metric"], "HAMMING");
    assert_eq!(steps.run("append", "", "bytes.h5").code, 1);
    steps.run("skip", "", "bytes.h5").table("skipped");
    steps.run("overwrite", "", "bytes.h5").table("overwritten");
    assert_eq!(steps.collection.holds(&["bytes.h5"])["metric"], "HAMMING");
}

/// Milvus Lite keeps one row per id and collection: a row that goes to another partition would be
/// taken from the one that holds its id, and both counts would look right.
#[test]
fn no_row_is_taken_from_another_partition_of_milvus_lite() {
    let server = Server::lite();
    let steps = Steps::new(&server);
    let first = steps.run("append", "p1", "a.h5");
    assert_eq!(first.code, 0, "{}", first.stderr);
    refused_for_ids(&steps.run("append", "p2", "a.h5"));
    let again = steps.run("overwrite", "p1", "a.h5");
    assert_eq!(again.code, 0, "a partition's own rows are in nobody's way: {}", again.stderr);
}
