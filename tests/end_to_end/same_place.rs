//! A folder, file or bucket that is both source and target: refused before anything changes, found by
//! inodes and resolved endpoints. Other folders of the same tree work.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::runs::part;
use crate::support::{Folder, Server};

/// A folder with `in/t/_default/part-*.parquet` in it: 300 rows in three parts.
fn with_parquet() -> Folder {
    let folder = Folder::new();
    fill(&folder, "parquet: { dir: in }");
    folder
}

fn fill(folder: &Folder, sink: &str) {
    folder.write(
        "make.yaml",
        &format!(
            "version: 1\n\
             source: {{ synthetic: {{ rows: 300, dim: 4, split_rows: 100, table: t }} }}\n\
             sink: {{ {sink} }}\n"
        ),
    );
    assert_eq!(folder.run(&["make.yaml"]).code, 0);
}

/// Every file below a folder, with its content.
fn files(below: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![below.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn write(folder: &Folder, lines: &[&str]) {
    folder.write("move.yaml", &format!("version: 1\n{}\n", lines.join("\n")));
}

/// `plan` and `run` refuse with exit code 2, and nothing below `kept` changes.
#[track_caller]
fn refused(folder: &Folder, kept: &str, lines: &[&str], words: &[&str]) {
    let before = files(&folder.path(kept));
    write(folder, lines);
    for command in ["run", "plan"] {
        let done = folder.pipeline(&[command, "move.yaml"]);
        assert_eq!(done.code, 2, "{command} {lines:?}\n{}{}", done.stdout, done.stderr);
        for word in words {
            assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
        }
        assert!(files(&folder.path(kept)) == before, "{command} {lines:?}");
    }
}

#[track_caller]
fn moved(folder: &Folder, lines: &[&str]) -> u64 {
    write(folder, lines);
    let done = folder.run(&["move.yaml", "--verify", "content"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let tables = done.report["tables"].as_array().unwrap();
    tables.iter().map(|table| table["rows_written"].as_u64().unwrap()).sum()
}

const SAME: &str = "Source and target are the same";

#[test]
fn a_parquet_folder_is_not_written_into_itself() {
    let folder = with_parquet();
    symlink("in", folder.path("link")).unwrap();
    let full = folder.path("in").display().to_string();
    // Files by hard links, listed by a manifest of their own.
    fs::create_dir_all(folder.path("hard/t/_default")).unwrap();
    let parts = [0, 1, 2].map(|number| part(&folder.path("in/t/_default"), number));
    for file in parts.into_iter().chain([folder.path("in/t/manifest.json")]) {
        let name = file.strip_prefix(folder.path("in")).unwrap();
        fs::hard_link(&file, folder.path("hard").join(name)).unwrap();
    }
    for (from, to) in [
        ("in", "in"),
        ("in", "./in/"),
        ("in/t", "link"),
        ("link", "in"),
        ("in/t/../../in", full.as_str()),
        ("in/*", "link/../in"),
        ("hard", "in"),
    ] {
        for mode in ["overwrite", "append"] {
            let source = format!("source: {{ parquet: {{ paths: ['{from}'] }} }}");
            let sink = format!("sink: {{ parquet: {{ dir: '{to}', mode: {mode} }} }}");
            refused(&folder, "in", &[&source, &sink], &[SAME, "table t is read from"]);
        }
    }
}

#[test]
fn a_stage_is_neither_the_source_nor_the_sink() {
    let folder = with_parquet();
    symlink("in", folder.path("link")).unwrap();
    let source = "source: { parquet: { paths: [in] } }";
    let stage = "stage: { parquet: { dir: link } }";
    let words = [SAME, "the stage would overwrite"];
    refused(&folder, "in", &[source, "sink: { null: {} }", stage], &words);
    let sink = "sink: { parquet: { dir: out } }";
    let stage = "stage: { parquet: { dir: out/../out } }";
    refused(&folder, "in", &[source, sink, stage], &["Sink and stage are the same folder"]);
    fs::create_dir(folder.path("out")).unwrap();
    symlink("out", folder.path("alias")).unwrap();
    let stage = "stage: { parquet: { dir: alias } }";
    refused(&folder, "in", &[source, sink, stage], &["Sink and stage are the same folder"]);
}

#[test]
fn a_dump_is_not_made_in_the_folder_that_is_read() {
    let folder = with_parquet();
    let source = "source: { parquet: { paths: [in], rename: { t: u } } }";
    refused(&folder, "in", &[source, "sink: { parquet: { dir: in, dump: true } }"], &[SAME]);
    assert_eq!(moved(&folder, &[source, "sink: { parquet: { dir: d, dump: true } }"]), 300);
    // Over itself, as a dump and as tables.
    let source = "source: { parquet: { paths: [d], dump: true } }";
    refused(&folder, "d", &[source, "sink: { parquet: { dir: ./d, dump: true } }"], &[]);
    refused(&folder, "d", &[source, "sink: { parquet: { dir: ./d } }"], &[]);
}

#[test]
fn hdf5_files_are_not_replaced_by_their_own_rows() {
    let folder = Folder::new();
    fill(&folder, "hdf5: { dir: h, max_rows_per_file: 100 }");
    symlink("h", folder.path("link")).unwrap();
    for mode in ["overwrite", "append"] {
        let sink = format!("sink: {{ hdf5: {{ dir: link, mode: {mode} }} }}");
        refused(&folder, "h", &["source: { hdf5: { dir: h/t } }", &sink], &[SAME]);
    }
    // One of the files, under the name of the table that it goes to.
    fs::create_dir(folder.path("other")).unwrap();
    fs::hard_link(folder.path("h/t/_default-00002.h5"), folder.path("other/t.h5")).unwrap();
    let source = "source: { hdf5: { paths: [other/t.h5] } }";
    refused(&folder, "h", &[source, "sink: { hdf5: { dir: h } }"], &[SAME, "same file"]);
    // Its folder, under another name.
    let source = "source: { hdf5: { paths: [h/t/_default-00001.h5] } }";
    assert_eq!(moved(&folder, &[source, "sink: { hdf5: { dir: h } }"]), 100);
}

#[test]
fn a_file_of_new_ids_does_not_replace_what_is_read() {
    let folder = with_parquet();
    let first = part(&folder.path("in/t/_default"), 0);
    symlink(&first, folder.path("ids.parquet")).unwrap();
    for file in [first.to_str().unwrap(), "ids.parquet"] {
        let remap =
            format!("transforms: [{{ remap: {{ strategy: offset, offset: 1, file: {file} }} }}]");
        let lines = ["source: { parquet: { paths: [in] } }", &remap, "sink: { null: {} }"];
        refused(&folder, "in", &lines, &["is there already"]);
    }
}

#[test]
fn a_file_of_inserted_ids_is_not_added_to_what_is_read() {
    let (folder, server) = (with_parquet(), Server::lite());
    let collection = server.collection("ids_same");
    symlink(part(&folder.path("in/t/_default"), 1), folder.path("ids.txt")).unwrap();
    let sink = format!(
        "sink: {{ milvus: {{ uri: '{}', collection: {}, ids_file: ids.txt }} }}",
        server.uri, collection.name
    );
    let source = "source: { parquet: { paths: [in] } }";
    refused(&folder, "in", &[source, &sink], &[SAME, "same file", "part-00001-"]);
    let elsewhere = sink.replace("ids.txt", "ids.new");
    assert_eq!(moved(&folder, &[source, &elsewhere]), 300);
}

#[test]
fn other_folders_of_the_same_tree_work() {
    let folder = with_parquet();
    let all = "source: { parquet: { paths: [in] } }";
    assert_eq!(moved(&folder, &[all, "sink: { parquet: { dir: out } }"]), 300);
    // Another table of the same folder, and another partition of the same table.
    let source = "source: { parquet: { paths: [in/t], rename: { t: u } } }";
    for mode in ["overwrite", "append"] {
        let sink = format!("sink: {{ parquet: {{ dir: in, mode: {mode} }} }}");
        assert_eq!(moved(&folder, &[source, &sink]), 300);
    }
    let files = "source: { parquet: { paths: [in/t/_default] } }";
    assert_eq!(moved(&folder, &[files, "sink: { parquet: { dir: in/t } }"]), 300);
    let stage = "stage: { parquet: { dir: staged } }";
    let table = "source: { parquet: { paths: [in/t] } }";
    assert_eq!(moved(&folder, &[table, "sink: { parquet: { dir: in/below } }", stage]), 300);
}

/// The target of an interrupted run becomes what is read before the run resumes.
#[test]
fn a_run_that_resumes_is_checked_as_well() {
    let folder = with_parquet();
    let part = part(&folder.path("in/t/_default"), 2);
    let mut bytes = fs::read(&part).unwrap();
    bytes[4..200].fill(0xFF);
    fs::write(&part, bytes).unwrap();
    fs::create_dir(folder.path("out")).unwrap();
    symlink("out", folder.path("link")).unwrap();
    let lines = ["source: { parquet: { paths: [in] } }", "sink: { parquet: { dir: link } }"];
    write(&folder, &lines);
    let done = folder.pipeline(&["run", "move.yaml", "--parallelism", "1"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    fs::remove_file(folder.path("link")).unwrap();
    symlink("in", folder.path("link")).unwrap();
    let before = files(&folder.path("in"));
    let done = folder.pipeline(&["run", "move.yaml"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains(SAME), "{}", done.stderr);
    assert!(files(&folder.path("in")) == before);
}

#[cfg(feature = "object-store")]
mod stores {
    use super::*;
    use crate::common::s3::{S3, folder as new_place, objects, place};

    fn storage(endpoint: &str) -> String {
        let S3 { key, secret, .. } = S3::get();
        format!(
            "storage: {{ aws_access_key_id: {key}, aws_secret_access_key: '{secret}', \
             aws_endpoint: '{endpoint}', aws_allow_http: true, aws_region: us-east-1 }}"
        )
    }

    #[test]
    fn a_bucket_is_not_written_into_itself() {
        let (folder, address) = (Folder::new(), new_place("same"));
        fs::create_dir(folder.path("kept")).unwrap();
        let endpoint = S3::get().endpoint;
        let other = endpoint.replace("127.0.0.1", "localhost");
        assert_ne!(endpoint, other);
        fill(&folder, &format!("parquet: {{ dir: '{address}', {} }}", storage(&endpoint)));
        let before = objects(&place(&address));
        let source =
            format!("source: {{ parquet: {{ paths: ['{address}'], {} }} }}", storage(&endpoint));
        let spelled = address.replace("s3://", "S3A://");
        for (to, endpoint) in [(&address, &endpoint), (&address, &other), (&spelled, &other)] {
            for mode in ["overwrite", "append"] {
                let sink = format!(
                    "sink: {{ parquet: {{ dir: '{to}/', mode: {mode}, {} }} }}",
                    storage(endpoint)
                );
                refused(&folder, "kept", &[&source, &sink], &[SAME, "same folder"]);
                assert!(objects(&place(&address)) == before, "{to} {mode}");
            }
        }
        let to = format!("sink: {{ parquet: {{ dir: '{address}x', {} }} }}", storage(&other));
        assert_eq!(moved(&folder, &[&source, &to]), 300);
        let renamed = source.replace("paths:", "rename: { t: u }, paths:");
        let to = format!("sink: {{ parquet: {{ dir: '{address}', {} }} }}", storage(&other));
        assert_eq!(moved(&folder, &[&renamed, &to]), 300);
    }
}
