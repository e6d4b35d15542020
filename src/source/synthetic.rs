//! Rows made up from a seed: the smallest source, and the tool of benches and fault tests.

use std::sync::Arc;

use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, PrimitiveArray, RecordBatch};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext};
use crate::location::DataLocation;
use crate::source::{Columns, Fingerprint, Source, SourceFactory, SourceTable};
use crate::table::{Metric, Part, Place, Split, TableSchema, VectorColumn, VectorType};

/// Made-up rows: ids counted from `first_id` or random, float32 vectors that depend on the seed and
/// the row alone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of rows.
    rows: u64,
    /// Dimensions of the vectors.
    dim: usize,
    /// The same seed gives the same vectors.
    #[serde(default)]
    seed: u64,
    /// Id of the first row; each further row has the next id.
    #[serde(default)]
    first_id: i64,
    /// What ids are like (default: sequential).
    #[serde(default)]
    ids: Ids,
    /// How many different ids there are; with fewer than rows, ids occur again (default: as many as
    /// rows).
    #[serde(default)]
    distinct_ids: Option<u64>,
    /// Rows in one split (default: about 32 MiB).
    #[serde(default)]
    split_rows: Option<u64>,
    /// Name of the table.
    #[serde(default = "default_table")]
    table: String,
    /// The metric that the table states.
    #[serde(default)]
    metric: Option<Metric>,
}

/// What made-up ids are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Ids {
    /// Counted from `first_id`.
    #[default]
    Sequential,
    /// Scattered over all 64-bit integers, in an order that the seed gives.
    Random,
}

fn default_table() -> String {
    "synthetic".to_owned()
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        if self.dim == 0 || self.dim > 1 << 20 {
            return Err(Error::config(format!("source.synthetic.dim is {}", self.dim))
                .help("a vector has between 1 and 1048576 dimensions"));
        }
        if i64::try_from(self.rows).ok().and_then(|r| self.first_id.checked_add(r)).is_none() {
            return Err(Error::config("source.synthetic: the last id does not fit 64 bits"));
        }
        if self.distinct_ids == Some(0) {
            return Err(Error::config("source.synthetic.distinct_ids is 0")
                .help("rows have at least one id; leave it out for an id of its own for each"));
        }
        let column = VectorColumn { vector_type: VectorType::Float32, dim: self.dim };
        let schema = TableSchema::of_vectors("id", "vector", column);
        Ok(Box::new(Synthetic { config: self.clone(), schema }))
    }

    fn place(&self) -> String {
        format!("synthetic {}", self.table)
    }
}

struct Synthetic {
    config: Config,
    schema: TableSchema,
}

#[async_trait]
impl Source for Synthetic {
    fn kind(&self) -> &'static str {
        "synthetic"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let Config { rows, table, metric, .. } = self.config.clone();
        let row_bytes = self.schema.row_bytes() as u64;
        let split_rows = self.config.split_rows.unwrap_or((32 << 20) / row_bytes).max(1);
        let splits = (0..rows.div_ceil(split_rows))
            .map(|n| {
                let first_row = n * split_rows;
                let rows = split_rows.min(rows - first_row);
                Split {
                    index: u32::try_from(n).unwrap_or(u32::MAX),
                    first_row,
                    rows,
                    bytes: rows * row_bytes,
                    location: serde_json::Value::Null,
                }
            })
            .collect();
        Ok(vec![SourceTable {
            database: None,
            name: table.clone(),
            collection: table,
            part: Part::Whole,
            renaming: None,
            schema: self.schema.clone(),
            metric,
            rows,
            bytes: rows * row_bytes,
            splits,
            notes: Vec::new(),
            warnings: Vec::new(),
        }])
    }

    async fn fingerprint(&self, _: &SourceTable) -> Result<Fingerprint> {
        Ok(Fingerprint::of_settings())
    }

    async fn read_locations(&self, _: &SourceTable) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let (config, schema) = (self.config.clone(), self.schema.clone());
        let place = Place::of(&table.name, split, from_row);
        let row_bytes = match columns {
            Columns::All => schema.row_bytes(),
            Columns::Ids => size_of::<i64>(),
        };
        let batch_rows = cx.batch_size.rows_of(row_bytes) as u64;
        let end = split.first_row + split.rows;
        let mut row = split.first_row + from_row;
        Ok(cx.spawn_blocking(place, move |outlet| {
            while row < end {
                let rows = batch_rows.min(end - row);
                let permit = outlet.reserve(usize::try_from(rows).unwrap_or(0) * row_bytes)?;
                let batch = make_rows(&config, &schema, row..row + rows, columns)?;
                outlet.send(batch, permit)?;
                row += rows;
            }
            Ok(())
        }))
    }
}

fn make_rows(
    config: &Config,
    schema: &TableSchema,
    rows: std::ops::Range<u64>,
    columns: Columns,
) -> Result<RecordBatch> {
    let ids = rows.clone().map(|row| id(config, row));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    let broken = |error| Error::internal("Made-up rows do not fit their schema").because(error);
    if columns == Columns::Ids {
        let arrow = schema.arrow().project(&[schema.id_index()]).map_err(broken)?;
        return RecordBatch::try_new(Arc::new(arrow), vec![ids]).map_err(broken);
    }
    let dim = config.dim as u64;
    let values: Vec<f32> =
        (rows.start * dim..rows.end * dim).map(|n| value(config.seed, n)).collect();
    let values =
        PrimitiveArray::<Float32Type>::new(ScalarBuffer::from(Buffer::from_vec(values)), None);
    let element = Arc::new(Field::new("item", DataType::Float32, false));
    let len = i32::try_from(config.dim).unwrap_or(i32::MAX);
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(element, len, Arc::new(values), None));
    RecordBatch::try_new(Arc::clone(schema.arrow()), vec![ids, vectors]).map_err(broken)
}

/// The id of a row. Mixing maps different numbers to different ones, so random ids are different,
/// too, unless fewer are asked for than there are rows.
fn id(config: &Config, row: u64) -> i64 {
    match (config.ids, config.distinct_ids) {
        (Ids::Sequential, None) => config.first_id.wrapping_add_unsigned(row),
        (Ids::Sequential, Some(different)) => {
            config.first_id.wrapping_add_unsigned(row % different)
        }
        (Ids::Random, None) => mix(config.seed, row).cast_signed(),
        (Ids::Random, Some(different)) => {
            let drawn = mix(config.seed.wrapping_add(1), row) % different;
            mix(config.seed, drawn).cast_signed()
        }
    }
}

/// The n-th value: a number in [-1, 1) mixed from seed and position.
fn value(seed: u64, n: u64) -> f32 {
    // 24 bits fit a float exactly.
    ((mix(seed, n) >> 40) as f32) / 8_388_608.0 - 1.0
}

/// Mixes seed and number (SplitMix64's finaliser).
fn mix(seed: u64, n: u64) -> u64 {
    let mut z = n.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // The last step changes none of the upper bits, which values are made of.
    z ^ (z >> 31)
}
