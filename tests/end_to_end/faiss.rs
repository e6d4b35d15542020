//! Faiss indexes of every kind into Milvus and, on the way, into Parquet.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::faiss_cases::{Case, all, new};
use crate::support::{Folder, Server, python};

/// Of the newest Faiss, those that go into Milvus too: one of each kind that gives rows in a way of
/// its own. The reader's own tests compare every file.
const INTO_MILVUS: [&str; 20] = [
    "flat_ip",
    "flat_empty",
    "flat_dim_1",
    "panorama_l2_3_16",
    "idmap2_hnsw",
    "idmap_ivf_flat",
    "ivf_flat_ids",
    "ivf_flat_sparse",
    "ivf_flat_map_hash",
    "ivf_panorama_l2_3_16",
    "ivf_sq8_q_imi",
    "ondisk_grown",
    "ivf_dedup",
    "nsg_flat",
    "refine_pq_fast_scan",
    "sq_6bit",
    "ivf_pq_4x6_residual",
    "pre_three",
    "bin_idmap_ivf",
    "bin_hnsw",
];

fn goes_into_milvus(case: &Case) -> bool {
    let name = case.file.trim_end_matches(".index");
    case.folder.ends_with("1.7.4") || INTO_MILVUS.contains(&name)
}

/// Indexes of one form of vectors go into partitions of one collection.
fn collection(case: &Case) -> String {
    format!("vecpipe_faiss_{}_{}_{}", std::process::id(), case.kind, case.dim)
}

fn partition(case: &Case) -> String {
    let set = if case.folder.ends_with("1.7.4") { "old" } else { "new" };
    format!("{set}_{}", case.file.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

/// Into Milvus, and on the way into Parquet; or into Parquet alone.
fn move_one(uri: &str, folder: &Folder, case: &Case) {
    let name = partition(case);
    let metric = if case.kind == "binary" { "HAMMING" } else { "L2" };
    let parquet = json!({ "parquet": { "dir": folder.path(&name) } });
    let milvus = json!({ "milvus": {
        "uri": uri, "collection": collection(case), "partition": name,
        "on_duplicate_id": "allow", "on_conflict": "insert", "schema": { "metric": metric },
    } });
    let mut config = json!({
        "version": 1,
        "source": { "faiss": { "paths": [case.path()], "lossy": "allow" } },
    });
    if goes_into_milvus(case) {
        (config["sink"], config["stage"]) = (milvus, parquet);
    } else {
        config["sink"] = parquet;
    }
    folder.write(&format!("{name}.json"), &config.to_string());
    let report = format!("{name}.report");
    let config = format!("{name}.json");
    let arguments = ["run", &config, "--parallelism", "8", "-q", "--report", &report];
    let run = || folder.command(&arguments).output().unwrap();
    // A collection belongs to one run at a time.
    let held = |output: &std::process::Output| output.status.code() == Some(75);
    let output = std::iter::repeat_with(run).find(|output| !held(output)).unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case:?}: {words}");
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path(&report)).unwrap()).unwrap();
    let table = &report["tables"][0];
    assert_eq!(table["rows_written"], case.rows, "{case:?}: {table}");
    assert_eq!(table["verified"], "count", "{case:?}: {table}");
}

#[test]
fn every_kind_of_index_arrives() {
    let server = Server::milvus();
    let folder = Folder::new();
    let cases: Vec<_> = all().filter(|case| case.refused.is_none()).collect();
    // The first of each collection makes it; the others go in one after the other, as they find it free.
    let (mut first, mut rest) = (BTreeMap::new(), Vec::new());
    for &case in &cases {
        match goes_into_milvus(case) && !first.contains_key(&collection(case)) {
            true => drop(first.insert(collection(case), case)),
            false => rest.push(case),
        }
    }
    first.values().for_each(|case| move_one(&server.uri, &folder, case));
    let (next, uri, folder) = (AtomicUsize::new(0), &server.uri, &folder);
    let work = || {
        while let Some(case) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
            move_one(uri, folder, case);
        }
    };
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(work))));

    let request: Vec<_> = cases
        .iter()
        .map(|case| {
            json!({
                "truth": case.folder.join(case.truth.as_ref().unwrap()), "rows": case.rows,
                "dim": case.dim, "kind": case.kind, "exact": case.exact,
                "collection": goes_into_milvus(case).then(|| collection(case)),
                "partition": partition(case), "staged": folder.path(&partition(case)),
            })
        })
        .collect();
    let mut judge = python("tests/judges/faiss.py")
        .arg(uri)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(json!(request).to_string().as_bytes()).unwrap();
    let said = String::from_utf8(judge.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said.trim(), format!("{} compared", request.len()));
}

#[test]
fn a_metric_that_milvus_lacks_is_asked_for_and_nothing_is_made() {
    let server = Server::milvus();
    let folder = Folder::new();
    folder.put(&new("flat_canberra.index").path(), "canberra.index");
    let collection = server.collection("canberra");
    let config = json!({
        "version": 1,
        "source": { "faiss": { "paths": ["canberra.index"] } },
        "sink": { "milvus": { "uri": server.uri, "collection": collection.name } },
    });
    folder.write("canberra.json", &config.to_string());
    let plan = folder.pipeline(&["plan", "canberra.json"]);
    assert_eq!(plan.code, 2, "{}", plan.stderr);
    assert!(plan.stderr.contains("Milvus has no metric CANBERRA"), "{}", plan.stderr);
    assert!(plan.stderr.contains("sink.milvus.schema: { metric: L2 }"), "{}", plan.stderr);
    assert_eq!(collection.partitions(), Value::Null, "a plan makes nothing");
    let run = folder.run(&["canberra.json", "--set", "sink.milvus.schema.metric=L2"]);
    assert_eq!(run.table("created")["rows_written"], 300);
}

/// Rows without ids are numbered in each file: two such files can't go into one collection as
/// they are.
#[test]
fn numbers_of_several_files_collide_before_anything_is_written() {
    let server = Server::lite();
    let folder = Folder::new();
    folder.put(&new("flat_l2.index").path(), "a.index");
    folder.put(&new("flat_l2.index").path(), "b.index");
    let collection = server.collection("collide");
    let config = json!({
        "version": 1,
        "source": { "faiss": { "paths": ["*.index"] } },
        "sink": { "milvus": { "uri": server.uri, "collection": collection.name } },
    });
    folder.write("two.json", &config.to_string());
    let run = folder.run(&["two.json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("300 ids occur more than once in the source"), "{}", run.stderr);
    assert_eq!(collection.partitions(), Value::Null, "nothing was made");
}

/// MilvusDM kept the ids that it inserted; a second run adds to the file.
#[test]
fn inserted_ids_are_written_down_when_that_is_asked_for() {
    let server = Server::lite();
    let folder = Folder::new();
    let case = new("idmap_flat.index");
    folder.put(&case.path(), "data.index");
    let collection = server.collection("ids_file");
    let text = format!(
        "F2M:\n  milvus_version: 2.x\n  data_path: data.index\n  dest_host: 127.0.0.1\n  \
         dest_port: {}\n  mode: append\n  dest_collection_name: {}\n  dest_partition_name: ''\n  \
         collection_parameter: {{ dimension: 16, index_file_size: 1024, metric_type: L2 }}\n",
        server.port(),
        collection.name
    );
    folder.write("F2M.yaml", &text);
    let run = folder.run(&["F2M.yaml", "--set", "sink.milvus.ids_file=ids.txt"]);
    assert_eq!(run.table("created")["rows_written"], case.rows);
    let ids = std::fs::read_to_string(folder.path("ids.txt")).unwrap();
    let ids: Vec<i64> = ids.lines().map(|line| line.parse().unwrap()).collect();
    let truth: Vec<i64> = case.truth().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, truth);
}
