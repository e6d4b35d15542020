//! The id survey over a real source and a sink with rules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Float32Type, Int64Type};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, StringArray};
use async_trait::async_trait;
use common::components::source;
use common::rows::{batch, write_parquet};
use serde_json::json;
use vecpipe::flow::{
    Controls, Id, IdFindings, Identity, MemoryBudget, Meter, OnBadRow, Pipeline, Plan, Settings,
    Verify, survey,
};
use vecpipe::location::DataLocation;
use vecpipe::sink::{
    Decision, Granularity, IdRules, ReadBack, Sink, Start, TableToWrite, TableWriter, TargetPlan,
};
use vecpipe::table::RowRules;
use vecpipe::{Error, Kind, Result};

/// A sink that only has rules, and holds every id that ends in 7.
struct Strict(IdRules);

#[async_trait]
impl Sink for Strict {
    fn kind(&self) -> &'static str {
        "strict"
    }

    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &TableToWrite) -> Result<TargetPlan> {
        Ok(TargetPlan {
            target: "strict".to_owned(),
            decision: Decision::Append,
            rows_before: Some(10),
            notes: Vec::new(),
            ids: self.0,
            rows: RowRules::default(),
            publish: None,
        })
    }

    async fn existing_ids(&self, _: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        Ok(match ids.as_primitive_opt::<Int64Type>() {
            Some(ids) => {
                let held: BTreeSet<_> =
                    ids.values().iter().copied().filter(|id| id % 10 == 7).collect();
                Arc::new(Int64Array::from_iter_values(held))
            }
            None => {
                let ids = ids.as_string::<i32>().iter().flatten();
                let held: BTreeSet<_> = ids.filter(|id| id.ends_with('7')).collect();
                Arc::new(StringArray::from_iter_values(held))
            }
        })
    }

    async fn read_back(&self, _: &TableToWrite) -> Result<ReadBack> {
        Ok(ReadBack::Never("its rows are in the test's hands"))
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn prepare(
        &self,
        _: &TableToWrite,
        _: &TargetPlan,
        _: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        Err(Error::internal("A survey writes nothing"))
    }
}

/// Writes each list of ids as a file, which is a split of its own.
fn pipeline(dir: &Path, files: &[ArrayRef], rules: IdRules, memory: u64) -> Arc<Pipeline> {
    let data = dir.join("data");
    fs::create_dir(&data).unwrap();
    for (n, ids) in files.iter().enumerate() {
        let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
            (0..ids.len()).map(|_| Some([Some(1.0)])),
            1,
        );
        let rows = batch(vec![("id", ids.clone()), ("v", Arc::new(vectors))]);
        write_parquet(&data.join(format!("{n}.parquet")), &rows, 1 << 20);
    }
    Arc::new(Pipeline {
        source: source("parquet", json!({ "paths": [data] })),
        transforms: Vec::new(),
        sink: Box::new(Strict(rules)),
        stage: None,
        budget: MemoryBudget::new(memory),
        settings: Settings {
            parallelism: 3,
            memory,
            batch_rows: Some(500),
            on_bad_row: OnBadRow::Fail,
            rejects_dir: "rejects".into(),
            verify: Verify::None,
            state_dir: dir.join("state"),
        },
        identity: Identity::default(),
    })
}

async fn look(pipeline: &Arc<Pipeline>) -> IdFindings {
    let plan = Plan::make(pipeline).await.unwrap();
    let mut findings = survey(pipeline, &plan, &Controls::default()).await.unwrap();
    assert_eq!(findings.len(), 1);
    findings.remove(0)
}

/// Scattered numbers, each batch with some of the one before.
fn scattered(files: i64) -> Vec<Vec<i64>> {
    let number = |n: i64| n.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8;
    (0..files).map(|f| (f * 3000 - f * 10..(f + 1) * 3000).map(number).collect()).collect()
}

const BOTH: IdRules = IdRules { unique: true, absent: true };

#[tokio::test(flavor = "multi_thread")]
async fn integers_are_counted_as_a_map_counts_them() {
    for memory in [64 << 20, 1 << 10] {
        let dir = tempfile::tempdir().unwrap();
        let lists = scattered(5);
        let files: Vec<ArrayRef> =
            lists.iter().map(|ids| Arc::new(Int64Array::from(ids.clone())) as _).collect();
        let mut truth = BTreeMap::<i64, u64>::new();
        lists.iter().flatten().for_each(|id| *truth.entry(*id).or_default() += 1);
        let twice: Vec<i64> = truth.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
        let held: Vec<i64> = truth.keys().copied().filter(|id| id % 10 == 7).collect();
        assert!(twice.len() > 5 && held.len() > 5);

        let found = look(&pipeline(dir.path(), &files, BOTH, memory)).await;
        assert_eq!(found.rows, truth.values().sum::<u64>());
        assert_eq!(found.duplicates.count, twice.len() as u64);
        assert_eq!(found.surplus_rows, found.rows - truth.len() as u64);
        let few = |ids: &[i64]| ids[..5].iter().map(|id| Id::Int(*id)).collect::<Vec<_>>();
        assert_eq!(found.duplicates.sample, few(&twice));
        assert_eq!(found.existing.count, held.len() as u64);
        assert_eq!(found.existing.sample, few(&held));
        assert!(!dir.path().join("state").exists(), "temporary files are gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_counted_and_named() {
    for memory in [64 << 20, 1 << 10] {
        let dir = tempfile::tempdir().unwrap();
        let lists: Vec<Vec<String>> =
            [0..2000, 1998..4000].map(|ids| ids.map(|n| format!("id {n}")).collect()).into();
        let files: Vec<ArrayRef> =
            lists.iter().map(|ids| Arc::new(StringArray::from(ids.clone())) as _).collect();
        let found = look(&pipeline(dir.path(), &files, BOTH, memory)).await;
        assert_eq!((found.rows, found.surplus_rows), (4002, 2));
        assert_eq!((found.duplicates.count, found.existing.count), (2, 400));
        let error = found.into_error("data").unwrap().to_string();
        assert!(
            error.starts_with(
                "2 ids occur more than once in the source, in 2 rows too many: \"id 1998\", \"id 1999\"; 400 ids are in the target already: \"id 1007\", \"id 1017\", "
            ),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_sink_minds_is_looked_at() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, 7, 8]));
    let look = async |rules| {
        let dir = tempfile::tempdir().unwrap();
        look(&pipeline(dir.path(), std::slice::from_ref(&ids), rules, 1 << 20)).await
    };
    assert_eq!(look(IdRules::default()).await, IdFindings::default());
    let unique = look(IdRules { unique: true, absent: false }).await;
    assert_eq!((unique.duplicates.count, unique.existing.count), (1, 0));
    let absent = look(IdRules { unique: false, absent: true }).await;
    assert_eq!((absent.duplicates.count, absent.existing.count), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_that_is_stopped_says_so_and_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let pipeline = pipeline(dir.path(), &[ids], BOTH, 1 << 10);
    let plan = Plan::make(&pipeline).await.unwrap();
    let controls = Controls::default();
    controls.stop.cancel();
    let error = survey(&pipeline, &plan, &controls).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(!dir.path().join("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_id_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let pipeline = pipeline(dir.path(), &[ids], BOTH, 1 << 20);
    let plan = Plan::make(&pipeline).await.unwrap();
    fs::remove_file(dir.path().join("data/0.parquet")).unwrap();
    let error = survey(&pipeline, &plan, &Controls::default()).await.unwrap_err().to_string();
    assert!(error.contains("ids of table data") && error.contains("0.parquet"), "{error}");
}
