//! What is wrong with a file, a configuration, or a file that changes under the reader.

use std::fs;

use serde_json::json;
use vecpipe::Kind;

use crate::common::read::{Way, read_table};
use crate::support::{new, source};

async fn error(settings: serde_json::Value) -> String {
    let case = new("ivf_flat.index");
    case.source(settings).tables().await.expect_err("it is wrong").to_string()
}

#[tokio::test]
async fn a_configuration_that_contradicts_the_file_is_an_error() {
    let words = error(json!({ "dim": 17 })).await;
    assert!(words.contains("float32 × 16") && words.contains("dim 17"), "{words}");
    let words = error(json!({ "metric": "IP" })).await;
    assert!(words.contains("the metric L2") && words.contains("says IP"), "{words}");
    let case = new("ivf_flat.index");
    let table = case.source(json!({ "dim": 16, "metric": "L2" })).tables().await.unwrap().remove(0);
    assert_eq!(table.rows as usize, case.rows);
}

#[tokio::test]
async fn what_is_no_faiss_index_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("a", &b""[..]), ("b", b"IxF"), ("c", b"PAR1 and more"), ("d", b"null")] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = source(&[&path], json!({})).tables().await.unwrap_err();
        assert!(error.to_string().starts_with("Not a Faiss index"), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let missing = folder.path().join("missing");
    let error = source(&[&missing], json!({})).tables().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.to_string().contains("Cannot open the file"), "{error}");
}

#[tokio::test]
async fn a_file_that_ends_early_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.index");
    let bytes = fs::read(new("flat_l2.index").path()).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let error = source(&[&path], json!({})).tables().await.unwrap_err().to_string();
    let end = format!("The file ends at byte {}", bytes.len() - 10);
    assert!(error.starts_with(&end) && error.contains("the vectors would go on to"), "{error}");
}

/// An index whose codes have no dimensions, below a transform that says they had eight: any number of
/// rows takes no bytes.
#[tokio::test]
async fn rows_that_take_no_bytes_are_no_rows() {
    let header = |dim: i32| {
        let (rows, unused, trained, metric) = (1u64 << 50, [0; 16], [1], 1i32);
        [&dim.to_le_bytes()[..], &rows.to_le_bytes(), &unused, &trained, &metric.to_le_bytes()]
            .concat()
    };
    let (eight, none, one, empty) =
        (8i32.to_le_bytes(), 0i32.to_le_bytes(), 1i32.to_le_bytes(), 0u64.to_le_bytes());
    let transform = [&b"RmDT"[..], &empty, &eight, &none, &[1]].concat();
    let flat = [&b"IxF2"[..], &header(0), &empty].concat();
    let bytes = [&b"IxPT"[..], &header(8), &one, &transform, &flat].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.index");
    fs::write(&path, bytes).unwrap();
    let error = source(&[&path], json!({ "lossy": "allow" })).tables().await.unwrap_err();
    assert!(error.to_string().starts_with("The vectors have no dimensions"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_during_the_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changes.index");
    let bytes = fs::read(new("flat_l2.index").path()).unwrap();
    for change in ["cut", "grown", "replaced", "gone"] {
        fs::write(&path, &bytes).unwrap();
        let source = source(&[&path], json!({}));
        let table = source.tables().await.unwrap().remove(0);
        match change {
            "cut" => fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap(),
            "grown" => fs::write(&path, [&bytes[..], b"more"].concat()).unwrap(),
            "replaced" => {
                let other = folder.path().join("other");
                fs::write(&other, &bytes).unwrap();
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                let later = time + std::time::Duration::from_secs(2);
                fs::File::open(&other).unwrap().set_modified(later).unwrap();
                fs::rename(other, &path).unwrap();
            }
            _ => fs::remove_file(&path).unwrap(),
        }
        let error = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Source, "{change}: {error}");
        let words = error.to_string();
        let told = ["The source changed after the run was planned", "Cannot open the file"];
        assert!(told.iter().any(|told| words.starts_with(told)), "{change}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_another_file_are_found_beside_the_index_and_missed_by_name() {
    let case = new("ondisk_moved.index");
    let folder = tempfile::tempdir().unwrap();
    let (path, lists) =
        (folder.path().join("moved.index"), folder.path().join("ondisk_moved.ivfdata"));
    fs::copy(case.path(), &path).unwrap();
    let source = source(&[&path], json!({}));
    let error = source.tables().await.unwrap_err().to_string();
    assert!(error.starts_with("Cannot open the file"), "{error}");
    assert!(error.contains("the file of the lists") && error.contains("copy it along"), "{error}");

    fs::copy(case.folder.join("ondisk_moved.ivfdata"), &lists).unwrap();
    let table = source.tables().await.unwrap().remove(0);
    let rows = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap();
    assert_eq!(rows.num_rows(), case.rows);

    let bytes = fs::read(&lists).unwrap();
    fs::write(&lists, [&bytes[..], b"more"].concat()).unwrap();
    let error = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap_err();
    assert!(error.to_string().contains("The source changed after the run was planned"), "{error}");
    fs::write(&lists, b"short").unwrap();
    let error = source.tables().await.unwrap_err().to_string();
    assert!(error.contains("The file has 5 bytes, the index says"), "{error}");
}
