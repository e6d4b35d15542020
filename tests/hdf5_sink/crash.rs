//! A run that ends in the middle leaves the old table or the new one, and the next run tidies up.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use vecpipe::sink::{Completion, TableToWrite};

use crate::common::rows::in_flight;
use crate::common::runs::without_run;
use crate::support::{floats, names, read, sink, splits, to_write, whole, write};

fn settings(dir: &Path, mode: &str) -> Value {
    json!({ "dir": dir, "mode": mode, "max_rows_per_file": 20 })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_file_stays_until_the_new_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("test");
    let (schema, old) = floats(0, 20);
    let table = to_write(&schema, "test", None);
    let settings = json!({ "dir": dir.path() });
    write(&*sink(settings.clone()), &table, &whole(std::slice::from_ref(&old))).await;

    let (_, new) = floats(1000, 30);
    let parts = whole(&[new.slice(0, 10), new.slice(10, 20)]);
    let table = TableToWrite { rows: 30, ..table };
    let sink = sink(settings);
    let plan = sink.plan(&table).await.unwrap();
    let writer =
        sink.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    for (split, part) in splits(&parts).iter().zip(&parts) {
        let mut split = writer.open_split(split).await.unwrap();
        split.write(in_flight(&part.batches[0])).await.unwrap();
        split.finish().await.unwrap();
    }
    let hidden = "._default-00001.h5.RUN.whole";
    assert_eq!(names(&folder), [hidden, "_default.h5", "_default.yaml"]);
    assert_eq!(read(&[folder.join("_default.h5")]).await.columns(), old.columns());
    writer.complete().await.unwrap();
    assert_eq!(names(&folder), ["_default.h5", "_default.yaml"]);
    assert_eq!(read(&[folder.join("_default.h5")]).await.columns(), new.columns());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_given_up_leaves_only_whole_files() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("test");
    let (schema, rows) = floats(0, 50);
    let table = TableToWrite { rows: 50, ..to_write(&schema, "test", None) };
    let given_up = sink(settings(dir.path(), "append"));
    let run = "0123456789abcdef".to_owned();
    given_up.set_run(&run, &[]);
    let plan = given_up.plan(&table).await.unwrap();
    let writer = given_up
        .prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default())
        .await
        .unwrap();
    let parts = whole(std::slice::from_ref(&rows));
    let mut split = writer.open_split(&splits(&parts)[0]).await.unwrap();
    split.write(in_flight(&rows.slice(0, 30))).await.unwrap();
    assert_eq!(names(&folder), ["._default-00001.h5.RUN.whole", "._default-00002.h5.RUN.tmp"]);
    drop(split);
    drop(writer);
    assert_eq!(names(&folder), ["._default-00001.h5.RUN.whole"], "for when it is resumed");

    // A run that was killed can't tidy up. One that takes its place does, and leaves what others may
    // come back for.
    let foreign = [
        "._default-1.h5.tmp",
        "._default-00001.h5.fedcba9876543210.whole",
        "._default-00042.h5.fedcba9876543210.tmp",
        ".other.h5.tmp",
        "notes.txt",
    ];
    let own =
        ["._default.h5.RUN.tmp", "._default-00042.h5.RUN.tmp", "._default-00042.h5.RUN.whole"];
    for name in foreign.iter().chain(&own) {
        fs::write(folder.join(name.replace("RUN", &run)), "a killed run's").unwrap();
    }
    let next = sink(settings(dir.path(), "append"));
    next.set_run("0123456789abcdee", &[run]);
    write(&*next, &table, &whole(&[rows.slice(0, 5)])).await;
    let expected = foreign.into_iter().chain(["_default.h5", "_default.yaml"]);
    let mut expected: Vec<_> = expected.map(without_run).collect();
    expected.sort_unstable();
    let mut found = names(&folder);
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// The run that wrote the table in this folder.
fn run_of(folder: &Path) -> String {
    let list = fs::read_to_string(folder.join("p.yaml")).unwrap();
    list.lines().find_map(|line| line.strip_prefix("# Run: ")).unwrap().to_owned()
}

/// What a kill leaves at each moment while files get their names: `renamed` of the new ones have
/// theirs, the old YAML is gone, the new one has its hidden name.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_renames_loses_nothing() {
    let (schema, rows) = floats(0, 50);
    let table = to_write(&schema, "test", Some("p"));
    for renamed in 0..=3 {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("test");
        // The new table of three files, as it would be.
        let whole_dir = tempfile::tempdir().unwrap();
        write(
            &*sink(settings(whole_dir.path(), "overwrite")),
            &table,
            &whole(std::slice::from_ref(&rows)),
        )
        .await;
        let new = whole_dir.path().join("test");
        // The old one, of four files, one more than the new one.
        let (_, old) = floats(500, 70);
        write(&*sink(settings(dir.path(), "overwrite")), &table, &whole(&[old])).await;
        fs::remove_file(folder.join("p.yaml")).unwrap();
        fs::copy(new.join("p.yaml"), folder.join(".p.yaml")).unwrap();
        for n in 1..=3 {
            let name = format!("p-0000{n}.h5");
            let to =
                if n <= renamed { name.clone() } else { format!(".{name}.{}.tmp", run_of(&new)) };
            fs::copy(new.join(&name), folder.join(to)).unwrap();
        }

        let error = sink(settings(dir.path(), "skip")).plan(&table).await.unwrap_err().to_string();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error.replace(dir.path().to_str().unwrap(), "DIR"), @"
            A run ended before all its files had their names
              where: DIR/test/.p.yaml
              help: a run with `mode: append` or `mode: overwrite` first gives them their names
            ");
        }
        let before = names(&folder);
        let (_, more) = floats(50, 4);
        let (plan, completion) =
            write(&*sink(settings(dir.path(), "append")), &table, &whole(&[more])).await;
        assert_eq!(plan.rows_before, Some(50), "{before:?}");
        assert_eq!(completion, Completion { rows_before: 50, rows_after: 54 });
        assert_eq!(names(&folder), ["p-00001.h5", "p-00002.h5", "p-00003.h5", "p.yaml"]);
        let paths: Vec<PathBuf> = (1..=3).map(|n| folder.join(format!("p-0000{n}.h5"))).collect();
        let (_, all) = floats(0, 54);
        assert_eq!(read(&paths).await.columns(), all.columns());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_yaml_lists_are_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("test");
    let (schema, rows) = floats(0, 50);
    let table = to_write(&schema, "test", Some("p"));
    write(&*sink(settings(dir.path(), "overwrite")), &table, &whole(std::slice::from_ref(&rows)))
        .await;
    fs::remove_file(folder.join("p.yaml")).unwrap();
    for mode in ["append", "skip"] {
        let error = sink(settings(dir.path(), mode)).plan(&table).await.unwrap_err().to_string();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error.replace(dir.path().to_str().unwrap(), "DIR"), @"
            3 files, p-00001.h5 for one, are listed by no `p.yaml`
              where: DIR/test
              help: they may be incomplete, or another program's; move them away, or use `mode: overwrite`
            ");
        }
    }
    write(&*sink(settings(dir.path(), "overwrite")), &table, &whole(&[rows.slice(0, 3)])).await;
    assert_eq!(names(&folder), ["p.h5", "p.yaml"]);
}
