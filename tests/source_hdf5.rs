//! The source `hdf5` against files that h5py wrote: what comes out is what went in, bit for bit.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::LazyLock;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, UInt8Array};
use common::python::python;
use common::read::{Way, batches_of, read_table};
use common::rows::vectors;
use half::f16;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde::Deserialize;
use tempfile::TempDir;
use vecpipe::flow::ReadContext;
use vecpipe::source::hdf5::Config;
use vecpipe::source::{Columns, Source, SourceFactory, SourceTable};

const DIM: usize = 24;
const BYTES: usize = 3;

/// One dataset of one file, as make_hdf5.py describes it.
#[derive(Debug, Deserialize)]
struct Case {
    file: String,
    vectors: String,
    kind: String,
    ids: Option<String>,
    ids_path: Option<String>,
    rows: u64,
    /// First row, end and value of what was never written.
    hole: Option<(u64, u64, f32)>,
    /// Words of a plan note.
    note: Option<String>,
}

fn make(arguments: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/make_hdf5.py");
    let paths = [script.as_os_str(), folder.path().as_os_str()];
    python(paths.into_iter().chain(arguments.iter().map(OsStr::new)));
    folder
}

/// All small files, written once.
static FILES: LazyLock<TempDir> = LazyLock::new(|| make(&[]));

fn cases(folder: &Path) -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap()
}

impl Case {
    fn config(&self, folder: &Path) -> Config {
        Config {
            paths: vec![folder.join(&self.file).display().to_string()],
            vectors: self.vectors.clone(),
            ids: self.ids_path.clone(),
            ..Config::default()
        }
    }

    /// The rows that make_hdf5.py's formulas give.
    fn expected(&self, schema: &arrow::datatypes::SchemaRef) -> RecordBatch {
        let ids: Int64Array = (0..self.rows as i64)
            .map(|i| match self.ids.as_deref() {
                Some("small") => i % 100 + 1,
                Some("mid") => 3 * i + 1000,
                Some("big") => 3 * i - 1_000_000_000_000,
                _ => i,
            })
            .collect();
        let (len, values): (usize, ArrayRef) = if self.kind == "bytes" {
            let bytes = (0..self.rows as usize).flat_map(|i| {
                (0..BYTES).map(move |j| match (i % 3, j + 1) {
                    (0, BYTES) => 0,
                    _ => ((31 * i + 17 * j + 5) % 256) as u8,
                })
            });
            (BYTES, Arc::new(bytes.collect::<UInt8Array>()))
        } else {
            let values =
                (0..self.rows).flat_map(|i| (0..DIM as u64).map(move |j| self.float(i, j)));
            (DIM, Arc::new(values.collect::<Float32Array>()))
        };
        let columns: Vec<ArrayRef> = vec![Arc::new(ids), vectors(len, values)];
        RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
    }

    fn float(&self, i: u64, j: u64) -> f32 {
        if let Some((first, end, fill)) = self.hole
            && (first..end).contains(&i)
        {
            return fill;
        }
        let k = ((7 * i + 13 * j) % 1021) as i64 - 510;
        match self.kind.as_str() {
            "float16" => f16::from_f64(k as f64 / 8.0).to_f32(),
            "float32" => k as f32 / 3.0,
            "float64" => (k as f64 / 3.0) as f32,
            "quarter" => k.div_euclid(4) as f32,
            other => panic!("no formula for {other}"),
        }
    }
}

/// `parallelism` reader threads, `memory` bytes, batches of at most `batch_rows` rows.
fn context(parallelism: usize, memory: u64, batch_rows: usize) -> ReadContext {
    Way { batch_rows, batch_bytes: usize::MAX, memory, parallelism }.context()
}

async fn open(config: &Config) -> vecpipe::Result<(Box<dyn Source>, SourceTable)> {
    let source = config.build()?;
    let table = source.tables().await?.remove(0);
    Ok((source, table))
}

#[tokio::test]
async fn every_kind_of_file_is_read_bit_for_bit() {
    let cx = context(2, 64 << 20, 170);
    let cases = cases(FILES.path());
    assert!(cases.len() > 300, "only {} cases", cases.len());
    for case in cases {
        let name = &case.file;
        let (source, table) = open(&case.config(FILES.path())).await.expect(name);
        assert_eq!(table.rows, case.rows, "{name}");
        let rows = read_table(&*source, &table, 2, &cx).await.expect(name);
        let expected = case.expected(table.schema.arrow());
        assert!(rows == expected, "{name}: {}", first_difference(&rows, &expected));
        if let Some(words) = &case.note {
            assert!(table.notes.iter().any(|n| n.contains(words)), "{name}: {:?}", table.notes);
        }
    }
}

fn first_difference(rows: &RecordBatch, expected: &RecordBatch) -> String {
    if rows.num_rows() != expected.num_rows() {
        return format!("{} rows instead of {}", rows.num_rows(), expected.num_rows());
    }
    let row = (0..rows.num_rows()).find(|&n| rows.slice(n, 1) != expected.slice(n, 1)).unwrap_or(0);
    format!("row {row} is {:?} instead of {:?}", rows.slice(row, 1), expected.slice(row, 1))
}

#[tokio::test]
async fn any_batch_size_and_any_first_row_give_the_same_rows() {
    let cases = cases(FILES.path());
    let interesting = [
        "latest-f4-all_cut.h5",
        "earliest-f2-contiguous.h5",
        "ids-chunked-odd.h5",
        "latest-be_f4-all_rows.h5",
        "latest-S3-plain_rows.h5",
    ];
    for name in interesting {
        let case = cases.iter().find(|c| c.file == name).expect(name);
        let (source, table) = open(&case.config(FILES.path())).await.unwrap();
        let expected = case.expected(table.schema.arrow());
        for batch_rows in [1, 63, 64, 65, 5000] {
            let cx = context(1, 1 << 10, batch_rows);
            for from in [0, 1, 63, 64, 500, 999, 1000] {
                let stream =
                    source.open(&table, &table.splits[0], from, Columns::All, &cx).unwrap();
                let batches = batches_of(stream, from, &cx).await.unwrap();
                let rows = concat_batches(table.schema.arrow(), &batches).unwrap();
                let expected = expected.slice(from as usize, 1000 - from as usize);
                assert!(rows == expected, "{name} from {from} by {batch_rows}");
            }
            let stream = source.open(&table, &table.splits[0], 0, Columns::Ids, &cx).unwrap();
            let ids = batches_of(stream, 0, &cx).await.unwrap();
            let ids = concat_batches(&ids[0].schema(), &ids).unwrap();
            assert_eq!(ids.columns(), &expected.columns()[..1], "{name} by {batch_rows}");
        }
    }
}

#[tokio::test]
async fn splits_are_read_in_parallel_within_a_small_budget() {
    let folder = make(&["large"]);
    for case in cases(folder.path()) {
        let name = &case.file;
        let (source, table) = open(&case.config(folder.path())).await.expect(name);
        assert_eq!(table.splits.len(), 3, "{name}");
        let expected = case.expected(table.schema.arrow());
        for parallelism in [1, 3] {
            let cx = context(parallelism, 4 << 20, 8192);
            let rows = read_table(&*source, &table, parallelism, &cx).await.expect(name);
            assert!(rows == expected, "{name}: {}", first_difference(&rows, &expected));
            assert_eq!(cx.budget.free_bytes(), 4 << 20, "{name}");
        }
    }
}

#[tokio::test]
async fn files_are_one_table_with_running_numbers() {
    let path = |name: &str| FILES.path().join(name).display().to_string();
    let config = Config {
        paths: vec![path("wrong-dim24.h5"), path("wrong-names.h5"), path("wrong-dim24.h5")],
        ..Config::default()
    };
    let error = open(&config).await.err().unwrap().to_string();
    assert!(error.starts_with("The file is named twice"), "{error}");

    // Links make several files of one.
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.h5", "a.HDF5", "c.he5"] {
        std::fs::copy(path("wrong-dim24.h5"), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("readme.txt"), "not data").unwrap();
    let config = Config { dir: Some(folder.path().to_owned()), ..Config::default() };
    let (source, table) = open(&config).await.unwrap();
    assert_eq!(table.rows, 30);
    assert_eq!(table.name, folder.path().file_name().unwrap().to_string_lossy());
    assert_eq!(table.splits.iter().map(|s| s.first_row).collect::<Vec<_>>(), [0, 10, 20]);
    let rows = read_table(&*source, &table, 2, &context(2, 1 << 20, 4)).await.unwrap();
    let ids = rows.column(0).as_primitive::<Int64Type>();
    assert_eq!(ids.values(), &(0..30).collect::<Vec<i64>>());
    let vectors = rows.column(1).as_fixed_size_list();
    assert_eq!(
        vectors.value(25).as_primitive::<Float32Type>().value(0),
        (7 * 5 - 510) as f32 / 3.0
    );
    assert!(table.notes.iter().any(|n| n.contains("numbered from 0")), "{:?}", table.notes);
}

/// The error of planning, or else of reading, `file`.
async fn error_of(file: &str, change: impl FnOnce(&mut Config)) -> String {
    let path = FILES.path().join(file).display().to_string();
    let mut config = Config { paths: vec![path], ..Config::default() };
    change(&mut config);
    let error = match open(&config).await {
        Err(error) => error,
        Ok((source, table)) => {
            read_table(&*source, &table, 1, &context(1, 1 << 20, 100)).await.expect_err(file)
        }
    };
    error.to_string().replace(&FILES.path().display().to_string(), "DIR")
}

#[tokio::test]
async fn errors_say_what_is_there() {
    let mut all = Vec::new();
    for file in [
        "wrong-not-hdf5.h5",
        "wrong-zero-bytes.h5",
        "wrong-missing.h5",
        "wrong-truncated.h5",
        "wrong-names.h5",
        "wrong-nothing.h5",
        "wrong-lengths.h5",
        "wrong-rank1.h5",
        "wrong-rank3.h5",
        "wrong-integers.h5",
        "wrong-words.h5",
        "wrong-dim0.h5",
        "wrong-no-dim.h5",
        "wrong-float-ids.h5",
        "wrong-wide-ids.h5",
        "wrong-huge-id.h5",
        "wrong-overflow.h5",
        "wrong-blosc-strings.h5",
        "wrong-filter.h5",
        "wrong-damaged-gzip.h5",
        "wrong-damaged-lzf.h5",
        "wrong-damaged-sum.h5",
        "none-*.h5",
    ] {
        all.push(format!("# {file}\n{}", error_of(file, |_| {}).await));
    }
    all.push(format!("# dim\n{}", error_of("wrong-dim24.h5", |c| c.dim = Some(8)).await));
    all.push(format!(
        "# ids\n{}",
        error_of("wrong-dim24.h5", |c| c.ids = Some("keys".to_owned())).await
    ));
    all.push(format!(
        "# metric\n{}",
        error_of("wrong-dim24.h5", |c| c.metric = Some(vecpipe::table::Metric::Hamming)).await
    ));
    for (one, other) in [
        ("wrong-dim24.h5", "wrong-dim8.h5"),
        ("wrong-dim24.h5", "wrong-with-ids.h5"),
        ("wrong-with-ids.h5", "earliest-u1-contiguous.h5"),
    ] {
        let path = FILES.path().join(other).display().to_string();
        let error = error_of(one, |c| c.paths.push(path)).await;
        all.push(format!("# {one} and {other}\n{error}"));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// libhdf5 writes, the filters here undo it: also for values that don't compress, whose
    /// chunks leave filters out.
    #[test]
    fn whatever_libhdf5_filters_comes_back(
        (dim, values) in (1usize..20).prop_flat_map(|dim| {
            let value = prop_oneof![Just(0f32), Just(-1.5f32), -1e3f32..1e3];
            (Just(dim), vec(value, dim..dim * 300))
        }),
        chunk in (1usize..350, 1usize..24),
        filters in subsequence(vec![0u8, 1, 2], 0..=3),
        gzip: bool,
        batch_rows in 1usize..400,
    ) {
        let rows = values.len() / dim;
        let values = &values[..rows * dim];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let builder = hdf5::File::create(&path).unwrap().new_dataset::<f32>();
        let builder = builder.shape((rows, dim)).chunk((chunk.0.min(rows), chunk.1.min(dim)));
        let builder = filters.iter().fold(builder, |builder, filter| match filter {
            0 => builder.shuffle(),
            1 if gzip => builder.deflate(1),
            1 => builder.lzf(),
            _ => builder.fletcher32(),
        });
        builder.create("embeddings").unwrap().as_writer().write_raw(values).unwrap();
        // The builder holds the file open, and a file is complete once it is closed.
        drop(builder);
        let config = Config { paths: vec![path.display().to_string()], ..Config::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            let (source, table) = open(&config).await.unwrap();
            read_table(&*source, &table, 1, &context(1, 1 << 20, batch_rows)).await.unwrap()
        });
        let read = read.column(1).as_fixed_size_list().values().as_primitive::<Float32Type>();
        prop_assert_eq!(read.values().as_ref(), values);
    }
}

#[tokio::test]
async fn a_file_that_changes_after_the_plan_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    std::fs::copy(FILES.path().join("wrong-with-ids.h5"), &path).unwrap();
    let config = Config { paths: vec![path.display().to_string()], ..Config::default() };
    let (source, table) = open(&config).await.unwrap();
    std::fs::copy(FILES.path().join("wrong-whole.h5"), &path).unwrap();
    let error = read_table(&*source, &table, 1, &context(1, 1 << 20, 100)).await.unwrap_err();
    assert!(error.to_string().starts_with("The source changed after"), "{error}");
}

#[tokio::test]
async fn an_empty_dataset_takes_its_dimension_from_the_config() {
    let path = FILES.path().join("wrong-no-dim.h5").display().to_string();
    let config = Config { paths: vec![path], dim: Some(12), ..Config::default() };
    let (_, table) = open(&config).await.unwrap();
    assert_eq!((table.rows, table.splits.len(), table.schema.column().dim), (0, 0, 12));
}

#[tokio::test]
async fn inspecting_shows_the_datasets_and_what_would_be_taken() {
    for (file, name) in
        [("nested.h5", "nested"), ("earliest-f2-all_rows.h5", "flat"), ("odd.h5", "odd")]
    {
        let path = FILES.path().join(file).display().to_string();
        let found = vecpipe::source::hdf5::inspect(&path).await.unwrap().expect(file);
        let mut text =
            format!("{}\n", found.title.replace(&FILES.path().display().to_string(), "DIR"));
        for (fact, value) in &found.facts {
            text.push_str(&format!("{fact}: {value}\n"));
        }
        for section in &found.sections {
            text.push_str(&format!("{}: {:?}\n", section.title, section.header));
            section.rows.iter().for_each(|row| text.push_str(&format!("  {row:?}\n")));
        }
        assert_eq!(found.first_rows.map(|rows| rows.num_rows()), Some(5));
        insta::assert_snapshot!(name, text);
    }
    let path = FILES.path().join("wrong-not-hdf5.h5").display().to_string();
    assert!(vecpipe::source::hdf5::inspect(&path).await.unwrap().is_none());
}
