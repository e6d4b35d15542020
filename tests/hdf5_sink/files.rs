//! Modes, names, and the YAML beside the files.

use std::fs;
use std::path::Path;

use arrow::compute::concat_batches;
use serde_json::{Value, json};
use vecpipe::config::{Form, Task, parse};
use vecpipe::milvus::Generation;
use vecpipe::sink::{Completion, Decision};
use vecpipe::table::{Metric, VectorType};

use crate::common::runs::without_run;
use crate::support::{floats, names, read, rows_of, sink, to_write, whole, write};

/// The YAML as the program understands it.
fn loaded(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    let loaded = parse(&text, "p.yaml", &[], &|_| None, Generation::Two).unwrap();
    assert_eq!(loaded.form, Form::MilvusDm(Task::H2m));
    serde_json::to_value(loaded.config).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_yaml_loads_the_files_back() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("[a] $HOME ${X}, *");
    let (schema, rows) = floats(0, 250);
    let settings = json!({ "dir": out, "max_rows_per_file": 100 });
    let table = to_write(&schema, "news ${Y}", Some("p \"1\""));
    write(&*sink(settings), &table, &whole(&[rows])).await;
    let folder = out.join("news ${Y}");
    let config = loaded(&folder.join("p %221%22.yaml"));
    let files = config["source"]["hdf5"]["paths"].as_array().unwrap();
    let files: Vec<_> = files.iter().flat_map(|path| glob(path.as_str().unwrap())).collect();
    let expected: Vec<_> = (1..=3).map(|n| folder.join(format!("p %221%22-0000{n}.h5"))).collect();
    assert_eq!(files, expected);
    assert_eq!(config["source"]["hdf5"]["dim"], 16);
    assert_eq!(config["source"]["hdf5"]["metric"], "IP");
    let milvus = &config["sink"]["milvus"];
    assert_eq!(milvus["uri"], "http://127.0.0.1:19530");
    assert_eq!(
        (&milvus["collection"], &milvus["partition"]),
        (&json!("news ${Y}"), &json!("p \"1\""))
    );
    assert_eq!(milvus["mode"], "append");
}

/// The files that a pattern stands for; the source takes paths as patterns.
fn glob(pattern: &str) -> Vec<std::path::PathBuf> {
    glob::glob(pattern).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_yaml_is_in_milvusdms_form() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = rows_of(VectorType::Binary, 0, 10);
    let mut table = to_write(&schema, "test", None);
    for (stated, written) in [
        (None, "HAMMING"),
        (Some(Metric::Jaccard), "JACCARD"),
        // A transform turned floats into bits.
        (Some(Metric::L2), "HAMMING"),
    ] {
        table.metric = stated;
        write(&*sink(json!({ "dir": dir.path() })), &table, &whole(std::slice::from_ref(&rows)))
            .await;
        let path = dir.path().join("test/_default.yaml");
        assert_eq!(loaded(&path)["source"]["hdf5"]["metric"], written);
    }
    let text = fs::read_to_string(dir.path().join("test/_default.yaml")).unwrap();
    let text = text.replace(dir.path().to_str().unwrap(), "/DIR");
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let text = without_run(&text);
    insta::assert_snapshot!(text, @r#"
    # Written by vecpipe VERSION. `pipeline run` with this file loads the rows into Milvus.
    # Run: RUN
    H2M:
      milvus-version: 2.x
      data_path:
        - "/DIR/test/_default.h5"
      data_dir: null
      dest_host: 127.0.0.1
      dest_port: 19530
      mode: append
      dest_collection_name: "test"
      dest_partition_name: null
      collection_parameter:
        dimension: 16
        index_file_size: 1024
        metric_type: HAMMING
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_rows_follow_the_old_ones() {
    for (extra, files) in [
        (json!({}), vec!["p.h5", "p.yaml"]),
        (
            json!({ "max_rows_per_file": 60, "gzip": 2 }),
            vec!["p-00001.h5", "p-00002.h5", "p-00003.h5", "p.yaml"],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("test");
        let (schema, rows) = floats(0, 150);
        let table = to_write(&schema, "test", Some("p"));
        let settings = |mode: &str| {
            let mut settings = extra.clone();
            settings["dir"] = json!(dir.path());
            settings["mode"] = json!(mode);
            settings
        };
        write(&*sink(settings("append")), &table, &whole(&[rows.slice(0, 50)])).await;
        let parts = whole(&[rows.slice(50, 30), rows.slice(80, 70)]);
        let (plan, completion) = write(&*sink(settings("append")), &table, &parts).await;
        assert_eq!((plan.decision, plan.rows_before), (Decision::Append, Some(50)));
        assert_eq!(completion, Completion { rows_before: 50, rows_after: 150 });
        assert_eq!(names(&folder), files);
        let paths: Vec<_> =
            names(&folder).into_iter().filter(|name| name.ends_with(".h5")).collect();
        let paths: Vec<_> = paths.iter().map(|name| folder.join(name)).collect();
        assert_eq!(read(&paths).await.columns(), rows.columns());

        let before = fs::read(&paths[0]).unwrap();
        let skip = sink(settings("skip")).plan(&table).await.unwrap();
        assert_eq!((skip.decision, skip.rows_before), (Decision::Skip, Some(150)));
        assert_eq!(fs::read(&paths[0]).unwrap(), before);

        // A folder that was moved is still the same table.
        let moved = dir.path().join("moved");
        fs::rename(&folder, &moved).unwrap();
        let there = sink(settings("append")).plan(&to_write(&schema, "moved", Some("p"))).await;
        assert_eq!(there.unwrap().rows_before, Some(150));
        fs::rename(&moved, &folder).unwrap();

        let (plan, completion) =
            write(&*sink(settings("overwrite")), &table, &whole(&[rows.slice(7, 20)])).await;
        assert_eq!((plan.decision, plan.rows_before), (Decision::Overwrite, Some(150)));
        assert_eq!(completion, Completion { rows_before: 0, rows_after: 20 });
        assert_eq!(names(&folder), ["p.h5", "p.yaml"]);
        let found = read(&[folder.join("p.h5")]).await;
        assert_eq!(found.columns(), rows.slice(7, 20).columns());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_stay_inside_and_apart() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (schema, rows) = floats(0, 20);
    let sink = sink(json!({ "dir": out, "max_rows_per_file": 10 }));
    for partition in ["..", "p/1", "p", "p-00001"] {
        let table = to_write(&schema, "../a", Some(partition));
        write(&*sink, &table, &whole(std::slice::from_ref(&rows))).await;
    }
    assert_eq!(names(dir.path()), ["out"]);
    assert_eq!(names(&out), ["%2E.%2Fa"]);
    let folder = out.join("%2E.%2Fa");
    let stems = ["%2E%2E", "p", "p%2D00001", "p%2F1"];
    let expected: Vec<String> = stems
        .iter()
        .flat_map(|stem| ["-00001.h5", "-00002.h5", ".yaml"].map(|end| format!("{stem}{end}")))
        .collect();
    let (mut found, mut expected) = (names(&folder), expected);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_has_a_file_that_rows_can_be_added_to() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 30);
    let table = to_write(&schema, "nothing", None);
    for extra in [json!({}), json!({ "gzip": 5, "max_rows_per_file": 20 })] {
        let mut settings = extra;
        settings["dir"] = json!(dir.path());
        let (_, completion) = write(&*sink(settings.clone()), &table, &[]).await;
        assert_eq!(completion, Completion::default());
        let path = dir.path().join("nothing/_default.h5");
        let empty = read(std::slice::from_ref(&path)).await;
        assert_eq!((empty.num_rows(), empty.schema()), (0, schema.arrow().clone()));
        settings["mode"] = json!("append");
        let (plan, _) = write(&*sink(settings.clone()), &table, &whole(&[rows.slice(0, 5)])).await;
        assert_eq!((plan.decision, plan.rows_before), (Decision::Append, Some(0)));
        assert_eq!(read(&[path]).await.num_rows(), 5);
        let both = concat_batches(schema.arrow(), [&rows.slice(5, 5), &rows]).unwrap();
        let (_, completion) = write(&*sink(settings), &table, &whole(&[both])).await;
        assert_eq!(completion.rows_after, 40);
    }
}
