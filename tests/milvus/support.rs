//! What the tests of the Milvus client and sink share: servers, tables, a move of rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use serde_json::{Value, json};
use vecpipe::error::{Error, Result};
use vecpipe::flow::{Batch, Meter, OnBadRow, Permit, sort_out};
use vecpipe::milvus::v2::{Client, Options};
use vecpipe::sink::{
    Completion, Decision, Sink, SinkContext, SinkFactory, TableToWrite, TargetPlan, Written, milvus,
};
use vecpipe::table::{Metric, Part, Place, Split, TableSchema, VectorColumn, VectorType};

/// A server for tests.
pub struct Server {
    pub uri: String,
    pub lite: bool,
}

impl Server {
    /// Milvus 2.3.5.
    pub fn milvus() -> Server {
        Server { uri: address("VECPIPE_TEST_MILVUS"), lite: false }
    }

    /// Milvus Lite.
    pub fn lite() -> Server {
        Server { uri: address("VECPIPE_TEST_LITE"), lite: true }
    }

    /// Both.
    pub fn both() -> [Server; 2] {
        [Server::milvus(), Server::lite()]
    }

    pub async fn client(&self) -> Client {
        Client::connect(Options::new(&*self.uri)).await.expect("the test server answers")
    }

    /// Drops a collection, and what a run left beside it.
    pub async fn remove(&self, name: &str) {
        let client = self.client().await;
        let beside = format!("{name}_vecpipe_");
        let all = client.collections().await.expect("a list");
        for name in all.into_iter().filter(|other| other == name || other.starts_with(&beside)) {
            client.drop_collection(&name).await.expect("the collection is dropped");
        }
    }

    /// Names of the collections that begin with `name`, without marks of runs.
    pub async fn collections_like(&self, name: &str) -> Vec<String> {
        let mut names = self.client().await.collections().await.expect("a list");
        names.retain(|other| other.starts_with(name) && !other.contains("_vecpipe_mark_"));
        names
    }

    /// A collection name that no other test uses, of a collection that does not exist.
    pub async fn fresh(&self, name: &str) -> String {
        // Tests run side by side, each on a thread of its name.
        static TESTS: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());
        let this = std::thread::current().name().map(str::to_owned);
        let place = format!("{} {name}", self.uri);
        let first = TESTS.lock().unwrap().entry(place).or_insert(this.clone()).clone();
        assert_eq!(first, this, "two tests use the collection {name}");
        let name = format!("vecpipe_test_{name}_{}", std::process::id());
        self.remove(&name).await;
        name
    }
}

fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests with scripts/test, which starts the servers")
    })
}

/// A sink with these settings beside its address.
pub fn sink(uri: &str, settings: Value) -> Box<dyn Sink> {
    try_sink(uri, settings).expect("the settings are fine")
}

/// A sink that may have so many writes in flight.
pub fn parallel_sink(uri: &str, settings: Value, parallelism: usize) -> Box<dyn Sink> {
    build(uri, settings, parallelism).expect("the settings are fine")
}

pub fn try_sink(uri: &str, settings: Value) -> Result<Box<dyn Sink>> {
    build(uri, settings, 4)
}

fn build(uri: &str, settings: Value, parallelism: usize) -> Result<Box<dyn Sink>> {
    let mut config = json!({ "uri": uri, "timeouts": { "connect": "5s" } });
    for (key, value) in settings.as_object().expect("settings are an object") {
        config[key] = value.clone();
    }
    let config: milvus::Config = serde_json::from_value(config).expect("the settings are known");
    config.build(&SinkContext { source_kind: "test", parallelism, dry_run: false })
}

/// A table of float vectors of four dimensions.
pub fn table(name: &str) -> TableToWrite {
    let column = VectorColumn { vector_type: VectorType::Float32, dim: 4 };
    table_of(name, TableSchema::of_vectors("id", "embedding", column))
}

pub fn table_of(name: &str, schema: TableSchema) -> TableToWrite {
    TableToWrite {
        database: None,
        name: name.to_owned(),
        collection: name.to_owned(),
        part: Part::Whole,
        schema,
        metric: Some(Metric::IP),
        rows: 0,
    }
}

/// Rows of [`table`]: each vector holds its id times `factor` and the numbers after it.
pub fn rows(ids: impl IntoIterator<Item = i64>, factor: f32) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let values =
        ids.iter().flat_map(|id| (0..4u8).map(move |n| *id as f32 * factor + f32::from(n)));
    let values = Float32Array::from_iter_values(values);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, 4, Arc::new(values), None);
    let schema = Arc::clone(table("t").schema.arrow());
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(vectors)];
    RecordBatch::try_new(schema, columns).expect("rows fit their schema")
}

/// What came of moving rows.
#[derive(Debug)]
pub struct Moved {
    pub plan: TargetPlan,
    pub written: Written,
    pub completion: Completion,
    pub retries: u64,
}

/// Moves batches as a run does: plan, look for conflicts, prepare, write (all at once), complete,
/// publish.
pub async fn move_rows(
    sink: &dyn Sink,
    table: &TableToWrite,
    batches: Vec<RecordBatch>,
) -> Result<Moved> {
    let moved = fill(sink, table, batches).await?;
    if let Some(publish) = &moved.plan.publish {
        sink.publish(&publish.what, moved.completion.rows_after).await?;
    }
    Ok(moved)
}

/// The same, up to what would be published.
pub async fn fill(
    sink: &dyn Sink,
    table: &TableToWrite,
    batches: Vec<RecordBatch>,
) -> Result<Moved> {
    let plan = sink.plan(table).await?;
    let mut moved = Moved {
        plan: plan.clone(),
        written: Written::default(),
        completion: Completion::default(),
        retries: 0,
    };
    if plan.decision == Decision::Skip {
        return Ok(moved);
    }
    if plan.ids.absent {
        let mut held = 0;
        for batch in &batches {
            let ids = batch.column(table.schema.id_index());
            held += sink.existing_ids(table, ids).await?.len();
        }
        if held > 0 {
            return Err(Error::target(format!("{held} ids are there already")));
        }
    }
    let meter = Arc::new(Meter::default());
    let writer =
        sink.prepare(table, &plan, &vecpipe::sink::Start::Fresh, Arc::clone(&meter)).await?;
    let rules = &plan.rows;
    let writes = batches.into_iter().enumerate().map(|(index, rows)| {
        let writer = Arc::clone(&writer);
        let index = u32::try_from(index).expect("few batches");
        let split = Split {
            index,
            first_row: 0,
            rows: rows.num_rows() as u64,
            bytes: 0,
            location: Value::Null,
        };
        let place = Place::new(&table.name, index, 0);
        async move {
            let mut split = writer.open_split(&split).await?;
            // The engine does this before rows come to a sink.
            let batch = Batch { rows, place, permit: Permit::free() };
            let (batch, _) = sort_out(batch, rules, OnBadRow::Fail)?;
            let written = split.write(batch).await?;
            split.finish().await?;
            Ok::<_, Error>(written)
        }
    });
    for written in futures::future::join_all(writes).await {
        let written = written?;
        moved.written.rows += written.rows;
        moved.written.skipped += written.skipped;
        moved.written.replaced += written.replaced;
    }
    moved.completion = writer.complete().await?;
    moved.retries = meter.retries.get();
    Ok(moved)
}

/// Writes one batch as a split of its own.
pub async fn write(writer: &dyn vecpipe::sink::TableWriter, rows: RecordBatch) {
    let location = Value::Null;
    let (first_row, bytes) = (0, 0);
    let split = Split { index: 0, first_row, rows: rows.num_rows() as u64, bytes, location };
    let mut split = writer.open_split(&split).await.expect("it opens");
    let place = Place::new("t", 0, 0);
    split.write(Batch { rows, place, permit: Permit::free() }).await.expect("written");
    split.finish().await.expect("finished");
}

/// Loads a collection if needed, and reads its first value of each vector by id.
pub async fn read_back(client: &Client, collection: &str) -> Vec<(i64, f32)> {
    let found = client.describe_collection(collection).await.unwrap().expect("it exists");
    let partitions = client.partitions(collection).await.unwrap();
    let loaded = client.load_missing(collection, &partitions, true).await.unwrap();
    let rows = client.first_rows(&found, 10_000).await.unwrap();
    client.release(collection, loaded).await.unwrap();
    let ids = rows.column(0).as_primitive::<Int64Type>().clone();
    let vectors = rows.column(1).as_fixed_size_list().clone();
    let mut all: Vec<_> = (0..rows.num_rows())
        .map(|row| (ids.value(row), vectors.value(row).as_primitive::<Float32Type>().value(0)))
        .collect();
    all.sort_by_key(|(id, _)| *id);
    all
}

/// A schema of one id, one vector and further fields.
pub fn schema(fields: Vec<Field>) -> TableSchema {
    TableSchema::new(Arc::new(Schema::new(fields))).expect("a table's schema")
}
