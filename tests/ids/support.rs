//! A source of tables with any ids in any splits, and a sink that keeps what it gets.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, Float32Type, Int64Type, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
};
use async_trait::async_trait;
use serde_json::Value;
use vecpipe::flow::{
    Batch, BatchStream, Controls, Meter, Pipeline, Plan, ReadContext, Settings, TableRun, check_ids,
};
use vecpipe::location::DataLocation;
use vecpipe::sink::{
    Completion, Decision, Granularity, IdRules, ReadBack, Receipt, Sink, SplitWriter, Start,
    TableToWrite, TableWriter, TargetPlan, Written,
};
use vecpipe::source::{Columns, Fingerprint, Source, SourceTable};
use vecpipe::table::{
    Metric, Part, Place, RowRules, Split, TableSchema, VectorColumn, VectorType, id_field,
    vector_field,
};
use vecpipe::transform::TransformFactory;
use vecpipe::{Error, Result};

use crate::common::components::transform;
use crate::common::{self, run_planned};

/// A table: its name, the ids of each split, and what it says of its vectors.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub splits: Vec<Vec<i64>>,
    pub texts: bool,
    pub metric: Option<Metric>,
    pub dim: usize,
}

pub fn table(name: &str, splits: Vec<Vec<i64>>) -> Table {
    Table { name: name.to_owned(), splits, texts: false, metric: None, dim: 2 }
}

/// Rows whose vectors say which row of which table they are.
pub struct Tables(pub Vec<Table>);

#[async_trait]
impl Source for Tables {
    fn kind(&self) -> &'static str {
        "tables"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        Ok(self.0.iter().map(describe).collect())
    }

    async fn read_locations(&self, _: &SourceTable) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn fingerprint(&self, _: &SourceTable) -> Result<Fingerprint> {
        Ok(Fingerprint::of_settings())
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let number = self.0.iter().position(|t| t.name == table.name).unwrap();
        let ids = self.0[number].splits[split.index as usize].clone();
        let (schema, texts) = (table.schema.clone(), self.0[number].texts);
        let (first, rows) = (split.first_row, cx.batch_size.rows.clamp(1, 7));
        Ok(cx.spawn_blocking(Place::of(&table.name, split, from_row), move |outlet| {
            let ids: Vec<_> = ids.iter().enumerate().skip(from_row as usize).collect();
            for part in ids.chunks(rows) {
                let permit = outlet.reserve(part.len() * schema.row_bytes())?;
                let of = part.iter().map(|(_, id)| **id);
                let ids: ArrayRef = match texts {
                    true => Arc::new(StringArray::from_iter_values(of.map(|id| id.to_string()))),
                    false => Arc::new(Int64Array::from_iter_values(of)),
                };
                let rows = match columns {
                    Columns::Ids => {
                        let arrow = Arc::new(schema.arrow().project(&[0]).unwrap());
                        RecordBatch::try_new(arrow, vec![ids]).unwrap()
                    }
                    Columns::All => {
                        let dim = schema.column().dim;
                        let marks = part.iter().flat_map(|(row, _)| {
                            let mut mark = vec![0.0; dim];
                            mark[0] = number as f32;
                            mark[1] = (first + *row as u64) as f32;
                            mark
                        });
                        let values: ArrayRef = Arc::new(Float32Array::from_iter_values(marks));
                        let vectors = common::rows::vectors(dim, values);
                        RecordBatch::try_new(Arc::clone(schema.arrow()), vec![ids, vectors])
                            .unwrap()
                    }
                };
                outlet.send(rows, permit)?;
            }
            Ok(())
        }))
    }
}

fn describe(table: &Table) -> SourceTable {
    let mut first_row = 0;
    let splits: Vec<Split> = table
        .splits
        .iter()
        .enumerate()
        .map(|(n, ids)| {
            let (rows, first) = (ids.len() as u64, first_row);
            first_row += rows;
            Split { index: n as u32, first_row: first, rows, bytes: 0, location: Value::Null }
        })
        .collect();
    let ids = if table.texts { DataType::Utf8 } else { DataType::Int64 };
    let column = VectorColumn { vector_type: VectorType::Float32, dim: table.dim };
    let arrow = Schema::new(vec![id_field("id", ids), vector_field("v", column)]);
    SourceTable {
        database: None,
        name: table.name.clone(),
        collection: table.name.clone(),
        part: Part::Whole,
        renaming: None,
        schema: TableSchema::new(Arc::new(arrow)).unwrap(),
        metric: table.metric,
        rows: first_row,
        bytes: 0,
        splits,
        notes: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A row as it arrived: the target's split, its id, and the table and row that it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub table: usize,
    pub row: usize,
    pub id: String,
}

/// Keeps rows. All tables go to one target, or each to its own.
#[derive(Clone, Default)]
pub struct Gather {
    pub rules: IdRules,
    pub apart: bool,
    pub lose: bool,
    pub rows: Arc<Mutex<Vec<(u32, Row)>>>,
    pub calls: Arc<Mutex<Vec<String>>>,
}

impl Gather {
    /// What arrived, by table and row; within a split it came in order.
    pub fn sorted(&self) -> Vec<Row> {
        let arrived = self.rows.lock().unwrap();
        let mut rows: Vec<Row> = arrived.iter().map(|(_, row)| row.clone()).collect();
        for split in arrived.iter().map(|(split, _)| *split) {
            let of_split = arrived.iter().filter(|(s, _)| *s == split);
            assert!(of_split.map(|(_, row)| (row.table, row.row)).is_sorted());
        }
        rows.sort();
        rows
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Gather {
    fn kind(&self) -> &'static str {
        "gather"
    }

    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        Ok(TargetPlan {
            target: if self.apart { table.collection.clone() } else { "all".to_owned() },
            decision: Decision::Create,
            rows_before: None,
            notes: Vec::new(),
            ids: self.rules,
            rows: RowRules::default(),
            publish: None,
        })
    }

    async fn existing_ids(&self, _: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        // Every id that ends in 7 is there.
        let ids = ids.as_primitive::<Int64Type>().values().iter().copied();
        Ok(Arc::new(Int64Array::from_iter_values(ids.filter(|id| id % 10 == 7))))
    }

    async fn read_back(&self, _: &TableToWrite) -> Result<ReadBack> {
        Ok(ReadBack::Never("its rows are in the test's hands"))
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        _: &TargetPlan,
        _: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let call = format!("prepare {} of {} rows", table.name, table.rows);
        self.calls.lock().unwrap().push(call);
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl TableWriter for Gather {
    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        Ok(Box::new(Writer(self.clone(), split.index)))
    }

    async fn complete(&self) -> Result<Completion> {
        self.calls.lock().unwrap().push("complete".to_owned());
        let rows_after = self.rows.lock().unwrap().len() as u64 - u64::from(self.lose);
        Ok(Completion { rows_before: 0, rows_after })
    }
}

struct Writer(Gather, u32);

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        let ids = batch.rows.column(0);
        let vectors: &FixedSizeListArray = batch.rows.column(1).as_fixed_size_list();
        let marks = vectors.values().as_primitive::<Float32Type>().values();
        let mut rows = self.0.rows.lock().unwrap();
        for n in 0..batch.rows.num_rows() {
            let id = arrow::util::display::array_value_to_string(ids, n).unwrap();
            let start = vectors.value_offset_at(n);
            let (table, row) = (marks[start] as usize, marks[start + 1] as usize);
            rows.push((self.1, Row { table, row, id }));
        }
        Ok(Written { rows: batch.len(), ..Written::default() })
    }

    async fn finish(self: Box<Self>) -> Result<Option<Receipt>> {
        Ok(None)
    }
}

pub struct Case {
    pub tables: Vec<Table>,
    pub transforms: Vec<(&'static str, Value)>,
    pub sink: Gather,
    pub parallelism: usize,
    pub memory: u64,
}

impl Case {
    pub fn new(tables: Vec<Table>, transforms: Vec<(&'static str, Value)>) -> Case {
        Case { tables, transforms, sink: Gather::default(), parallelism: 3, memory: 1 << 20 }
    }

    pub fn pipeline(&self, dir: &Path) -> Arc<Pipeline> {
        let transforms = self.transforms.iter();
        let transforms: Vec<Box<dyn TransformFactory>> =
            transforms.map(|(kind, settings)| transform(kind, settings.clone())).collect();
        let settings = Settings {
            state_dir: dir.join("state"),
            ..common::settings(self.parallelism, self.memory)
        };
        let source = Box::new(Tables(self.tables.clone()));
        common::pipeline(source, transforms, Box::new(self.sink.clone()), settings)
    }

    /// Plans, surveys and runs; nothing may be left in the state folder.
    pub fn run(&self, dir: &Path) -> Result<Vec<Arc<TableRun>>> {
        let pipeline = self.pipeline(dir);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let run = runtime.block_on(async {
            let plan = Plan::make(&pipeline).await?;
            check_ids(&pipeline, &plan, &Controls::default()).await?;
            let (tables, outcome) = run_planned(pipeline, plan, Controls::default()).await;
            outcome.error.map_or(Ok(tables), Err)
        });
        drop(runtime);
        if run.is_err() {
            assert!(!dir.join("state").exists(), "temporary files are gone");
        }
        run
    }

    /// The error that keeps it from running.
    pub fn error(&self) -> Error {
        let dir = tempfile::tempdir().unwrap();
        self.run(dir.path()).err().expect("an error")
    }

    /// Its rows in source order: table, row and id.
    pub fn rows(&self) -> Vec<Row> {
        let of_table = |(table, t): (usize, &Table)| {
            let ids = t.splits.iter().flatten().enumerate();
            ids.map(move |(row, id)| Row { table, row, id: id.to_string() }).collect::<Vec<_>>()
        };
        self.tables.iter().enumerate().flat_map(of_table).collect()
    }
}

/// One row of each id, naively.
pub fn deduped(rows: Vec<Row>, keep: &str) -> Vec<Row> {
    let mut seen = std::collections::BTreeSet::new();
    let mut rows = rows;
    if keep == "last" {
        rows.reverse();
    }
    rows.retain(|row| seen.insert(row.id.clone()));
    rows.sort();
    rows
}
