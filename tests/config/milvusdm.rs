//! MilvusDM's own files.

use serde_json::{Value, json};
use vecpipe::config::{Form, Task, parse};
use vecpipe::milvus::Generation;

/// `yamls/H2M.yaml` of MilvusDM: its keys, spellings and values.
const SHIPPED: &str = "\
H2M:
  milvus-version: 1.x
  # Give data_path or data_dir, and leave the other None.
  data_path:
    - /Users/data/example/byte_example.h5
  data_dir:
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'overwrite'        # 'skip/append/overwrite'
  dest_collection_name: 'test_bina'
  dest_partition_name: ''
  collection_parameter:
    dimension: 512
    index_file_size: 1024
    metric_type: 'HAMMING'

";

fn native(text: &str, sets: &[&str]) -> Value {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    match parse(text, "H2M.yaml", &sets, &|_| None, Generation::Two) {
        Ok(loaded) => serde_json::to_value(loaded.config).expect("a configuration is JSON"),
        Err(error) => panic!("{error}"),
    }
}

fn refused(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    parse(text, "H2M.yaml", &sets, &|_| None, Generation::Two).expect_err("it is wrong").to_string()
}

#[test]
fn the_shipped_h2m_file_means_this() {
    let config = native(SHIPPED, &[]);
    let source = &config["source"]["hdf5"];
    assert_eq!(source["paths"], json!(["/Users/data/example/byte_example.h5"]));
    assert_eq!(source["dir"], Value::Null);
    assert_eq!(source["dim"], json!(512));
    assert_eq!(source["metric"], json!("HAMMING"));
    assert_eq!(source["vectors"], json!("embeddings"));
    let sink = &config["sink"]["milvus"];
    assert_eq!(sink["uri"], json!("http://127.0.0.1:19530"));
    assert_eq!(sink["collection"], json!("test_bina"));
    assert_eq!(sink["partition"], Value::Null);
    assert_eq!(sink["mode"], json!("overwrite"));
    assert_eq!(sink["on_conflict"], json!("fail"));
    assert_eq!(sink["on_duplicate_id"], json!("fail"));
    assert_eq!(config["transforms"], json!([{ "rename": { "vector": "embedding" } }]));
    assert_eq!(sink["schema"]["vector"], Value::Null);

    let loaded = parse(SHIPPED, "H2M.yaml", &[], &|_| None, Generation::Two).expect("it is fine");
    assert_eq!(loaded.form, Form::MilvusDm(Task::H2m));
    assert_eq!(loaded.notes.len(), 2, "{:?}", loaded.notes);
}

#[test]
fn a_folder_a_partition_and_the_other_spelling() {
    let text = "\
H2M:
  milvus_version: 0.10.5
  data_path:
  data_dir: '/Users/zilliz/HDF5_data'
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'append'
  dest_collection_name: 'test_binary'
  dest_partition_name: partition_1
  collection_parameter:
    dimension: 512
    index_file_size: 1024
    metric_type: 'HAMMING'
";
    let config = native(text, &[]);
    assert_eq!(config["source"]["hdf5"]["dir"], json!("/Users/zilliz/HDF5_data"));
    assert_eq!(config["source"]["hdf5"]["paths"], json!([]));
    assert_eq!(config["sink"]["milvus"]["partition"], json!("partition_1"));
}

/// What MilvusDM's M2H writes beside the data it exports.
#[test]
fn the_file_that_milvusdm_generates() {
    let text = "\
H2M:
  milvus-version: 0.10.5
  data_path: [/home/data/data1.hdf5, '/home/data/f[1]*.hdf5']
  data_dir: null
  dest_host: localhost
  dest_port: '19531'
  dest_collection_name: 2024
  dest_partition_name: null
  collection_parameter: { dimension: 128, index_file_size: 1024, metric_type: IP }
";
    let config = native(text, &[]);
    // Paths are literal in MilvusDM; here they are patterns.
    let paths = json!(["/home/data/data1.hdf5", "/home/data/f[[]1[]][*].hdf5"]);
    assert_eq!(config["source"]["hdf5"]["paths"], paths);
    assert_eq!(config["sink"]["milvus"]["uri"], json!("http://localhost:19531"));
    assert_eq!(config["sink"]["milvus"]["collection"], json!("2024"));
    assert_eq!(config["sink"]["milvus"]["mode"], json!("append"));
}

#[test]
fn flags_reach_both_forms() {
    let sets = [
        "H2M.dest_port=19999",
        "H2M.data_path=one.h5",
        "sink.milvus.on_conflict=upsert",
        "run.parallelism=3",
    ];
    let config = native(SHIPPED, &sets);
    assert_eq!(config["sink"]["milvus"]["uri"], json!("http://127.0.0.1:19999"));
    assert_eq!(config["sink"]["milvus"]["on_conflict"], json!("upsert"));
    assert_eq!(config["source"]["hdf5"]["paths"], json!(["one.h5"]));
    assert_eq!(config["run"]["parallelism"], json!(3));
}

#[test]
fn mistakes_are_shown_in_milvusdms_words() {
    let wrong = |from: &str, to: &str| refused(&SHIPPED.replace(from, to), &[]);
    insta::assert_snapshot!(wrong("dest_port", "dst_port"), @r"
    Unknown key `dst_port`
      where: H2M.yaml:8:3, key H2M.dst_port
        |
      8 |   dst_port: 19530
        |   ^^^^^^^^
      help: did you mean `dest_port`? Known here: milvus_version, milvus-version, data_path, data_dir, dest_host, dest_port, mode, dest_collection_name, dest_partition_name, collection_parameter
    ");
    insta::assert_snapshot!(wrong("'overwrite' ", "'replace'"), @r"
    `replace` is not known here
      where: H2M.yaml:9:9, key H2M.mode
        |
      9 |   mode: 'replace'       # 'skip/append/overwrite'
        |         ^^^^^^^^^
      help: known here: append, skip, overwrite
    ");
    insta::assert_snapshot!(wrong("data_dir:", "data_dir: /data"), @r"
    `data_path` and `data_dir` are both given
      where: H2M.yaml:6:13, key H2M.data_dir
        |
      6 |   data_dir: /data
        |             ^^^^^
      help: keep one of them and leave the other empty
    ");
    insta::assert_snapshot!(wrong("    - /Users/data/example/byte_example.h5\n", ""), @r"
    There are no files to read
      where: H2M.yaml:4:3, key H2M
        |
      4 |   data_path:
        |   ^^^^^^^^^
      help: give files as `data_path`, or a folder as `data_dir`
    ");
    insta::assert_snapshot!(wrong("'127.0.0.1'", "http://h:1"), @r"
    This is no host name or address
      where: H2M.yaml:7:14, key H2M.dest_host
        |
      7 |   dest_host: http://h:1
        |              ^^^^^^^^^^
      help: write a host alone, like 127.0.0.1; the port is `dest_port`
    ");
    let beside = refused(&format!("{SHIPPED}run: {{ parallelism: 8 }}\n"), &[]);
    insta::assert_snapshot!(beside, @r"
    Key `run` can't stand beside MilvusDM's `H2M`
      where: H2M.yaml:17:1
         |
      17 | run: { parallelism: 8 }
         | ^^^
      help: a MilvusDM file has the key `H2M` alone; other settings are given as flags, like --set run.parallelism=8
    ");
}

/// `yamls/F2M.yaml` of MilvusDM: its keys, spellings and values.
const SHIPPED_F2M: &str = "\
F2M:
  milvus_version: 1.x
  data_path: '/home/data/faiss.index'
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'append'        # 'skip/append/overwrite'
  dest_collection_name: 'test'
  dest_partition_name: ''
  collection_parameter:
    dimension: 256
    index_file_size: 1024
    metric_type: 'L2'
";

#[test]
fn the_shipped_f2m_file_means_this() {
    let config = native(SHIPPED_F2M, &["sink.milvus.ids_file=ids.txt"]);
    let source = &config["source"]["faiss"];
    assert_eq!(source["paths"], json!(["/home/data/faiss.index"]));
    assert_eq!((&source["dim"], &source["metric"]), (&json!(256), &json!("L2")));
    assert_eq!(source["lossy"], json!("refuse"));
    let sink = &config["sink"]["milvus"];
    assert_eq!((&sink["collection"], &sink["mode"]), (&json!("test"), &json!("append")));
    assert_eq!((&sink["partition"], &sink["ids_file"]), (&Value::Null, &json!("ids.txt")));
    assert_eq!(config["transforms"], json!([{ "rename": { "vector": "embedding" } }]));
    let loaded =
        parse(SHIPPED_F2M, "F2M.yaml", &[], &|_| None, Generation::Two).expect("it is fine");
    assert_eq!(loaded.form, Form::MilvusDm(Task::F2m));
}

#[test]
fn f2m_reads_files_alone() {
    let folder = SHIPPED_F2M.replace("data_path: '/home/data/faiss.index'", "data_dir: /home/data");
    insta::assert_snapshot!(refused(&folder, &[]), @r"
    F2M reads files, not folders
      where: H2M.yaml:3:13, key F2M.data_dir
        |
      3 |   data_dir: /home/data
        |             ^^^^^^^^^^
      help: name the index files as `data_path`
    ");
    let nothing = SHIPPED_F2M.replace("'/home/data/faiss.index'", "");
    insta::assert_snapshot!(refused(&nothing, &[]), @r"
    There are no files to read
      where: H2M.yaml:3:3, key F2M
        |
      3 |   data_path:
        |   ^^^^^^^^^
      help: give the index file as `data_path`
    ");
}

/// `yamls/M2M.yaml` and `yamls/M2H.yaml` of MilvusDM.
const SHIPPED_M2M: &str = "\
M2M:
  milvus_version: 1.x
  source_milvus_path: '/home/zilliz/float'
  mysql_parameter:
    host: '127.0.0.1'
    user: 'root'
    port: 3306
    password: '123456'
    database: 'milvus'
  source_collection:
    test:
      - 'partition_1'
      - 'partition_2'
    other:
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'skip'
";

#[test]
fn the_shipped_m2m_file_means_this() {
    let loaded =
        parse(SHIPPED_M2M, "M2M.yaml", &[], &|_| None, Generation::Two).expect("it is fine");
    assert_eq!(loaded.form, Form::MilvusDm(Task::M2m));
    let config = native(SHIPPED_M2M, &[]);
    let source = &config["source"]["milvus1"];
    assert_eq!(source["path"], json!("/home/zilliz/float"));
    assert_eq!(source["meta"]["mysql"]["user"], json!("root"));
    assert_eq!(source["meta"]["mysql"]["port"], json!(3306));
    let collections = json!({ "test": ["partition_1", "partition_2"], "other": null });
    assert_eq!(source["collections"], collections);
    let sink = &config["sink"]["milvus"];
    assert_eq!((&sink["mode"], &sink["collection"]), (&json!("skip"), &Value::Null));
    let sqlite = SHIPPED_M2M.split("  mysql_parameter:\n").next().unwrap().to_owned()
        + "  mysql_parameter:\n  source_collection: { test: }\n  dest_host: h\n";
    assert_eq!(native(&sqlite, &[])["source"]["milvus1"]["meta"], json!("sqlite"));
}

#[test]
fn the_shipped_m2h_file_means_this() {
    let text = "\
M2H:
  milvus_version: 1.x
  source_milvus_path: '/home/zilliz/float'
  mysql_parameter:
  source_collection:
    test_float:
      - 'partition_1'
  data_dir: '/home/data/hdf5'
";
    let config = native(text, &[]);
    assert_eq!(config["source"]["milvus1"]["path"], json!("/home/zilliz/float"));
    assert_eq!(config["sink"]["hdf5"]["dir"], json!("/home/data/hdf5"));
}
