//! Into a Milvus 1.x: by MilvusDM's own files, which don't say that it is one, and by the native form.

use serde_json::{Value, json};

use crate::milvus1_cases::{Row, folder, parts};
use crate::milvus1_server::{Fault, Milvus1};
use crate::support::{Folder, python, repository, sample};

fn port(server: &Milvus1) -> &str {
    server.uri.rsplit_once(':').expect("the address has a port").1
}

/// The rows of a sample file, as h5py reads them.
fn rows_of(file: &str) -> Vec<Row> {
    let done = python("tests/judges/hdf5.py").arg(sample(file)).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let bytes = |name: &str| -> Vec<u8> {
        let digits = told[name]["values"].as_str().unwrap();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    };
    let (ids, vectors) = (bytes("ids"), bytes("embeddings"));
    let ids: Vec<_> = ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id)).collect();
    let vectors = vectors.chunks_exact(vectors.len() / ids.len()).map(<[u8]>::to_vec);
    let mut rows: Vec<_> = ids.into_iter().zip(vectors).collect();
    rows.sort();
    rows
}

/// MilvusDM's M2M, all collections of a directory: names, tags, metrics and rows stay as they are.
#[test]
fn directories_move_as_they_are() {
    for name in ["A_float_l2", "C_binary", "D_empty_dropped"] {
        let server = Milvus1::start_apart("0.10.0");
        let work = Folder::new();
        let mut collections: Vec<_> = parts(name).into_iter().map(|part| part.collection).collect();
        collections.dedup();
        work.write(
            "M2M.yaml",
            &format!(
                "\
M2M:
  milvus_version: 2.x
  source_milvus_path: {path}
  mysql_parameter:
  source_collection:
    {collections}:
  dest_host: 127.0.0.1
  dest_port: {port}
  mode: append
",
                path = folder(name).join("data").display(),
                collections = collections.join(":\n    "),
                port = port(&server),
            ),
        );
        let duplicates = "sink.milvus.on_duplicate_id=allow";
        let done = work.run(&["M2M.yaml", "--parallelism", "8", "--set", duplicates]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        for part in parts(name) {
            let rows = server.rows(&part.collection, &part.partition);
            assert!(rows == part.truth(name), "{name} {}", part.table());
            let made = server.store(|store| store.describe(&part.collection)).unwrap();
            let metric = vecpipe::table::Metric::of_milvus1(made.metric_type.into()).unwrap();
            assert_eq!((metric.name(), made.dimension), (&*part.metric, part.dim as i64));
        }
    }
}

#[test]
fn h2m_finds_out_that_the_destination_is_old() {
    let server = Milvus1::start_apart("1.1.1");
    let work = Folder::new();
    work.write(
        "H2M.yaml",
        &format!(
            "\
H2M:
  milvus-version: 2.x
  data_path:
    - {path}
  data_dir:
  dest_host: 127.0.0.1
  dest_port: {port}
  mode: append
  dest_collection_name: news
  dest_partition_name: p1
  collection_parameter:
    dimension: 128
    index_file_size: 256
    metric_type: L2
",
            path = sample("a.h5").display(),
            port = port(&server),
        ),
    );
    let plan = work.pipeline(&["plan", "H2M.yaml"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    for words in ["Target: milvus1", "collection news, partition p1", "index_file_size 256 MiB"] {
        assert!(plan.stdout.contains(words), "{}", plan.stdout);
    }
    assert_eq!(server.store(|store| store.names()), Vec::<String>::new());

    work.run(&["H2M.yaml", "--parallelism", "8"]).table("created");
    assert!(server.rows("news", "p1") == rows_of("a.h5"));
    let made = server.store(|store| store.describe("news")).unwrap();
    assert_eq!((made.index_file_size, made.metric_type), (256, 1));

    // Ids that are there end the run; a flag for either sort of Milvus changes that.
    let again = work.run(&["H2M.yaml"]);
    assert_eq!(again.code, 1, "{}", again.stderr);
    assert!(again.stderr.contains("2,000 ids"), "{}", again.stderr);
    let upsert = ["H2M.yaml", "--set", "sink.milvus.on_conflict=upsert"];
    let table = work.run(&upsert).table("appended").clone();
    assert_eq!((&table["rows_written"], &table["target_rows_after"]), (&json!(2000), &json!(2000)));
    assert!(server.rows("news", "p1") == rows_of("a.h5"));
}

/// The native form, through lost answers and with eight writers.
#[test]
fn nothing_is_lost_or_doubled_when_answers_are_lost() {
    let server = Milvus1::start_apart("1.0.1");
    server.fail(&[Fault::LoseAnswer, Fault::LoseHalf, Fault::LoseRequest, Fault::OutOfMemory]);
    let work = Folder::new();
    let (path, config) = (sample("a.h5"), repository("configs/to-milvus1.yaml"));
    let variables = [("MILVUS_URI", &*server.uri), ("HDF5_FILE", path.to_str().unwrap())];
    // The deadline of each request without an answer is waited for.
    let hasty = "sink.milvus1.timeouts.request=2s";
    let small = ["--set", "run.batch_rows=100", "--set", hasty, "--parallelism", "8"];
    let arguments = [&[config.to_str().unwrap()], &small[..]].concat();
    let done = work.run_with(&arguments, &variables);
    assert_eq!(done.table("created")["rows_written"], 2000);
    assert_eq!(done.report["retries"], 4);
    assert!(server.rows("news", "_default") == rows_of("a.h5"));
}

#[test]
fn inspect_lists_the_collections_of_an_old_server() {
    let server = Milvus1::start_apart("0.10.0");
    let work = Folder::new();
    let path = sample("a.h5");
    let config = repository("configs/to-milvus1.yaml");
    let variables = [("MILVUS_URI", &*server.uri), ("HDF5_FILE", path.to_str().unwrap())];
    work.run_with(&[config.to_str().unwrap()], &variables).table("created");
    let shown = work.pipeline(&["inspect", &server.uri]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for words in ["Milvus 0.10.0", "news", "2,000", "_default", "float32 x 128", "L2"] {
        assert!(shown.stdout.contains(words), "{}", shown.stdout);
    }
}
