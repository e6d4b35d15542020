//! Every file in configs/ does what it says, on both servers.

use std::fs;

use serde_json::json;

use crate::milvus1_server::Milvus1;
use crate::support::{Collection, Folder, Server, python, repository, sample};
use crate::{faiss_cases, milvus1_cases};

type Case = fn(&Server, &str);

/// What is tried with each file.
const CASES: [(&str, Case); 15] = [
    ("dump-to-s3.yaml", dump_and_restore),
    ("f2m.yaml", move_index),
    ("h2m-parquet.yaml", stage_and_load_again),
    ("h2m.yaml", move_files),
    ("m2h.yaml", write_directory),
    ("m2m.yaml", move_directory),
    ("milvus-to-milvus.yaml", move_between_servers),
    ("milvusdm-f2m.yaml", move_index_as_milvusdm),
    ("milvusdm-h2m.yaml", move_as_milvusdm),
    ("milvusdm-m2h.yaml", write_directory_as_milvusdm),
    ("milvusdm-m2m.yaml", move_directory_as_milvusdm),
    ("parquet-to-milvus.yaml", stage_and_load_again),
    ("restore.yaml", dump_and_restore),
    ("to-hdf5.yaml", write_hdf5_and_load_it),
    ("to-milvus1.yaml", move_into_an_old_server),
];

#[test]
fn every_config_file_runs_on_milvus_2_3() {
    run_all(&Server::milvus());
}

#[test]
fn every_config_file_runs_on_milvus_lite() {
    run_all(&Server::lite());
}

fn run_all(server: &Server) {
    let mut done: Vec<Case> = Vec::new();
    for entry in fs::read_dir(repository("configs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let case = CASES.iter().find(|(file, _)| *file == name);
        let (_, case) = case.unwrap_or_else(|| panic!("no test runs configs/{name}"));
        // Two files may need each other.
        if !done.iter().any(|other| std::ptr::fn_addr_eq(*other, *case)) {
            case(server, path.to_str().unwrap());
            done.push(*case);
        }
    }
}

/// Where a dump goes: S3, or a folder in a program that knows no stores.
#[cfg(feature = "object-store")]
fn store() -> Vec<(&'static str, String)> {
    use crate::common::s3::{S3, folder};
    let S3 { endpoint, key, secret } = S3::get();
    vec![
        ("DUMP_DIR", folder("configs")),
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ]
}

#[cfg(not(feature = "object-store"))]
fn store() -> Vec<(&'static str, String)> {
    vec![("DUMP_DIR", "dump".to_owned())]
}

/// Into a store, and back under another name.
fn dump_and_restore(server: &Server, _: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    let (from, to) = (server.collection("dumped"), server.collection("restored"));
    let (uri, h2m) = (server.uri.as_str(), config("h2m.yaml"));
    let done = folder.run_with(&[&h2m, "--set", &from.set()], &[("MILVUS_URI", uri)]);
    done.table("created");
    let store = store();
    let store = store.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<_> =
        [("MILVUS_URI", uri), ("SOURCE_URI", uri)].into_iter().chain(store).collect();
    let chosen = format!("source.milvus.collections={{ default/{}: }}", from.name);
    let database = "source.milvus.databases=[default]";
    let file = config("dump-to-s3.yaml");
    let words = [&file, "--set", database, "--set", &chosen, "--verify", "content"];
    folder.run_with(&words, &variables).table("created");
    let renamed = format!("source.parquet.rename={{ default/{}: {} }}", from.name, to.name);
    let words = [&config("restore.yaml"), "--set", &renamed, "--verify", "content"];
    folder.run_with(&words, &variables).table("created");
    to.holds(&["a.h5"]);
}

/// From a collection that is filled from a file before.
fn move_between_servers(server: &Server, config: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    let (from, to) = (server.collection("from"), server.collection("to"));
    let (uri, h2m) = (server.uri.as_str(), self::config("h2m.yaml"));
    let done = folder.run_with(&[&h2m, "--set", &from.set()], &[("MILVUS_URI", uri)]);
    done.table("created");
    let chosen = format!("source.milvus.collections={{ {}: }}", from.name);
    let uris = [("MILVUS_URI", uri), ("SOURCE_URI", uri)];
    let words = [config, "--set", &chosen, "--set", &to.set(), "--verify", "content"];
    let table = folder.run_with(&words, &uris).table("created").clone();
    assert_eq!(table["verified"], "content");
    to.holds(&["a.h5"]);
}

fn config(name: &str) -> String {
    repository("configs").join(name).display().to_string()
}

fn move_files(server: &Server, config: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    folder.put(&sample("b.h5"), "data/b.h5");
    let collection = server.collection("h2m");
    let arguments = [config, "--parallelism", "8", "--set", &collection.set()];
    let done = folder.run_with(&arguments, &[("MILVUS_URI", &server.uri)]);
    let table = done.table("created");
    assert_eq!(table["rows_written"], 3500);
    assert_eq!(table["verified"], "count");
    assert_eq!(table["target_rows_after"], 3500);
    assert_eq!(done.report["parallelism"], 8);
    let facts = collection.holds(&["a.h5", "b.h5"]);
    assert_eq!(facts["metric"], "L2");
    assert_eq!(facts["rows"], 3500);

    // A file without ids: rows are numbered. The metric is stated.
    let collection = server.collection("h2m_ip");
    let file = sample("numbered.h5").display().to_string();
    let variables = [("MILVUS_URI", &*server.uri), ("HDF5_FILE", &*file)];
    let arguments = [config, "--set", &collection.set(), "--set", "source.hdf5.metric=IP"];
    folder.run_with(&arguments, &variables).table("created");
    assert_eq!(collection.holds(&["numbered.h5"])["metric"], "IP");
}

fn move_index(server: &Server, config: &str) {
    let folder = Folder::new();
    let case = faiss_cases::new("idmap_flat.index");
    folder.put(&case.path(), "mine.index");
    let collection = server.collection("f2m");
    let variables = [("MILVUS_URI", server.uri.as_str()), ("FAISS_INDEX", "mine.index")];
    let run = folder.run_with(&[config, "--set", &collection.set()], &variables);
    assert_eq!(run.table("created")["target_rows_after"], case.rows);
}

fn move_index_as_milvusdm(server: &Server, config: &str) {
    let folder = Folder::new();
    let case = faiss_cases::new("ivf_flat_ids.index");
    folder.put(&case.path(), "faiss.index");
    let collection = server.collection("milvusdm_f2m");
    let set = format!("F2M.dest_collection_name={}", collection.name);
    let port = format!("F2M.dest_port={}", server.port());
    let run = folder.run(&[config, "--set", &set, "--set", &port]);
    assert_eq!(run.table("created")["target_rows_after"], case.rows);
    let again = folder.run(&[config, "--set", &set, "--set", &port, "--set", "F2M.mode=skip"]);
    assert_eq!(again.table("skipped")["rows_written"], 0);
}

/// What M2H writes comes back by the files that lie beside it.
fn write_directory(server: &Server, config: &str) {
    let folder = Folder::new();
    let path = milvus1_cases::folder("E_compact_dup").join("data");
    let choose = "source.milvus1.collections={compacted: }";
    let run = folder.run_with(
        &[config, "--parallelism", "8", "--set", choose],
        &[("MILVUS1_PATH", path.to_str().unwrap())],
    );
    let parts = milvus1_cases::parts("E_compact_dup");
    let rows = parts.iter().find(|part| part.collection == "compacted").unwrap().rows;
    assert_eq!(run.table("created")["rows_written"], rows);
    let collection = server.collection("m2h");
    let set = format!("H2M.dest_collection_name={}", collection.name);
    let port = format!("H2M.dest_port={}", server.port());
    let back = folder.run(&["out/compacted/_default.yaml", "--set", &set, "--set", &port]);
    assert_eq!(back.table("created")["target_rows_after"], rows);
}

fn write_directory_as_milvusdm(_: &Server, config: &str) {
    let folder = Folder::new();
    let path = milvus1_cases::folder("A_float_l2").join("data");
    let path = format!("M2H.source_milvus_path={}", path.display());
    let choose = "M2H.source_collection={float_l2: [p1, p2]}";
    let run = folder.run(&[config, "--set", &path, "--set", choose]);
    run.table("created");
    for part in ["p1", "p2"] {
        assert!(folder.path("hdf5/float_l2").join(format!("{part}.h5")).is_file(), "{part}");
        assert!(folder.path("hdf5/float_l2").join(format!("{part}.yaml")).is_file(), "{part}");
    }
}

fn move_directory(server: &Server, config: &str) {
    let folder = Folder::new();
    let path = milvus1_cases::folder("A_float_l2").join("data");
    let path = path.to_str().unwrap();
    let collection = server.collection("m2m");
    let rename = format!("source.milvus1.rename={{float_l2: {}}}", collection.name);
    let choose = "source.milvus1.collections={float_l2: }";
    let variables = [("MILVUS_URI", server.uri.as_str()), ("MILVUS1_PATH", path)];
    let arguments = [config, "--parallelism", "8", "--set", &rename, "--set", choose];
    let run = folder.run_with(&arguments, &variables);
    run.table("created");
    let rows: usize = milvus1_cases::parts("A_float_l2")
        .iter()
        .filter(|part| part.collection == "float_l2")
        .map(|part| part.rows)
        .sum();
    let tables = run.report["tables"].as_array().unwrap();
    let written: u64 = tables.iter().map(|table| table["rows_written"].as_u64().unwrap()).sum();
    assert_eq!((tables.len(), written), (3, rows as u64));
    assert_eq!(collection.partitions(), json!(["_default", "p1", "p2"]));
}

fn move_directory_as_milvusdm(server: &Server, config: &str) {
    let folder = Folder::new();
    let path = milvus1_cases::folder("D_empty_dropped").join("data");
    let collection = server.collection("milvusdm_m2m");
    let port = format!("M2M.dest_port={}", server.port());
    let path = format!("M2M.source_milvus_path={}", path.display());
    let choose = "M2M.source_collection={empty_part: [some]}";
    let rename = format!("source.milvus1.rename={{empty_part: {}}}", collection.name);
    let sets = ["--set", &port, "--set", &path, "--set", choose, "--set", &rename];
    let arguments: Vec<_> = [config].into_iter().chain(sets).collect();
    assert_eq!(folder.run(&arguments).table("created")["rows_written"], 50);
    folder.run(&arguments).table("skipped");
}

fn move_as_milvusdm(server: &Server, config: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/example.h5");
    let text = fs::read_to_string(config).unwrap();
    let own = text.replace("dest_port: 19530", &format!("dest_port: {}", server.port()));
    assert_ne!(text, own);
    folder.write("H2M.yaml", &own);
    let collection = server.collection("milvusdm");
    folder.run(&["H2M.yaml", "--set", &collection.set()]).table("created");
    let facts = collection.holds(&["a.h5"]);
    assert_eq!((&facts["metric"], &facts["vector_field"]), (&json!("L2"), &json!("embedding")));
}

fn move_into_an_old_server(_: &Server, config: &str) {
    let server = Milvus1::start_apart("1.1.1");
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    let done = folder.run_with(&[config, "--parallelism", "8"], &[("MILVUS_URI", &server.uri)]);
    assert_eq!(done.table("created")["target_rows_after"], 2000);
    assert_eq!(server.rows("news", "_default").len(), 2000);
}

fn stage_and_load_again(server: &Server, _: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    let first = server.collection("staged");
    let variables = [("MILVUS_URI", &*server.uri)];
    let staging = [&*config("h2m-parquet.yaml"), "--set", &first.set()];
    folder.run_with(&staging, &variables).table("created");
    first.holds(&["a.h5"]);
    staged_rows_are_the_source_s(&folder);

    let second = server.collection("loaded");
    let loading = [&*config("parquet-to-milvus.yaml"), "--set", &second.set()];
    folder.run_with(&loading, &variables).table("created");
    let facts = second.holds(&["a.h5"]);
    assert_eq!(facts["metric"], "L2");
}

fn write_hdf5_and_load_it(server: &Server, config: &str) {
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "data/a.h5");
    folder.write(
        "stage.yaml",
        "version: 1\nsource: { hdf5: { dir: data, metric: IP } }\nsink: { parquet: { dir: staged } }\n",
    );
    folder.run(&["stage.yaml"]).table("created");
    let done = folder.run(&[config, "--parallelism", "8"]);
    assert_eq!(done.table("created")["target_rows_after"], 2000);

    // The YAML works from any folder.
    let elsewhere = Folder::new();
    let yaml = folder.path("out/a/_default.yaml").display().to_string();
    let port = format!("H2M.dest_port={}", server.port());
    let collection = server.collection("to_hdf5");
    let done = elsewhere.run(&[&*yaml, "--set", &port, "--set", &collection.set()]);
    assert_eq!(done.table("created")["target_rows_after"], 2000);
    assert_eq!(collection.holds(&["a.h5"])["metric"], "IP");
}

fn staged_rows_are_the_source_s(folder: &Folder) {
    let case = json!([{
        "out": folder.path("staged"), "file": sample("a.h5"),
        "vectors": "embeddings", "ids": "ids", "kind": "float32",
    }]);
    folder.write("cases.json", &case.to_string());
    let input = fs::File::open(folder.path("cases.json")).unwrap();
    let judged = python("tests/judges/parquet.py").stdin(input).output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert_eq!(said, "1 compared\n", "{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn binary_vectors_arrive_bit_for_bit() {
    let server = Server::milvus();
    for file in ["bytes.h5", "strings.h5"] {
        let folder = Folder::new();
        let collection = server.collection("binary");
        let done = run_binary(&folder, &server, &collection, file);
        assert_eq!(done.table("created")["dim"], 512);
        assert_eq!(collection.holds(&[file])["metric"], "HAMMING");
    }
}

#[test]
fn milvus_lite_has_no_binary_vectors_and_that_is_said_before_anything_is_made() {
    let server = Server::lite();
    let folder = Folder::new();
    let collection = server.collection("binary");
    let done = run_binary(&folder, &server, &collection, "bytes.h5");
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("Milvus Lite"), "{}", done.stderr);
    assert!(collection.partitions().is_null());
}

fn run_binary(
    folder: &Folder,
    server: &Server,
    collection: &Collection<'_>,
    file: &str,
) -> crate::support::Done {
    let file = sample(file).display().to_string();
    let variables = [("MILVUS_URI", &*server.uri), ("HDF5_FILE", &*file)];
    let arguments = [&*config("h2m.yaml"), "--parallelism", "8", "--set", &collection.set()];
    folder.run_with(&arguments, &variables)
}
