//! Gives each row a new id, and writes down which one.

mod file;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::compute::filter;
use arrow::datatypes::{DataType, Int64Type, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::flow::{Batch, Totals, mark};
use crate::table::{Misfit, Place, TableSchema};
use crate::transform::{IdEffect, NewIds, SplitContext, Transform, TransformFactory};
use file::IdFile;

/// Gives each row a new int64 id; old and new ones are written to a Parquet file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How new ids are made.
    strategy: Strategy,
    /// What `strategy: offset` adds to each id.
    #[serde(default)]
    offset: Option<i64>,
    /// The first id of `strategy: sequential` (default: 0).
    #[serde(default)]
    first: Option<i64>,
    /// The Parquet file of old_id, new_id and table, in place when the run has succeeded (default:
    /// remap.parquet).
    #[serde(default = "default_file")]
    file: PathBuf,
    /// The file while it is written, shared by all tables.
    #[serde(skip)]
    #[schemars(skip)]
    open: Arc<IdFile>,
}

fn default_file() -> PathBuf {
    "remap.parquet".into()
}

/// How new ids are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The old id, an integer, plus `offset`.
    Offset,
    /// Rows are numbered from `first` on, in source order, over all tables of one target.
    Sequential,
    /// A hash of the source table's name and the old id, from 0 to 9223372036854775807.
    Hash,
}

impl TransformFactory for Config {
    fn kind(&self) -> &'static str {
        "remap"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        let make = self.new_ids()?;
        let old = input.id().data_type();
        if *old != DataType::Int64 && matches!(make, Make::Offset(_)) {
            return Err(Error::config(format!(
                "Column `{}` holds text ids, nothing can be added to them",
                input.id().name()
            ))
            .help("use `strategy: sequential` or `strategy: hash`"));
        }
        self.open.expect(&self.file, old)?;
        let mut fields: Vec<_> = input.arrow().fields().iter().map(Arc::clone).collect();
        let id = input.id().clone().with_data_type(DataType::Int64);
        fields[input.id_index()] = Arc::new(id.clone());
        let arrow = Schema::new_with_metadata(fields, input.arrow().metadata().clone());
        Ok(Box::new(Remap {
            output: TableSchema::new(Arc::new(arrow))?,
            ids: Arc::new(Schema::new(vec![id])),
            make,
            file: Arc::clone(&self.open),
        }))
    }

    fn resume(&self) {
        self.open.resume();
    }

    fn finish(&self, totals: &Totals) -> Result<()> {
        self.open.finish(totals.rows_remapped)
    }
}

impl Config {
    fn new_ids(&self) -> Result<Make> {
        let wrong = |what: &str, help: &str| Err(Error::config(what).help(help));
        match (self.strategy, self.offset, self.first) {
            (Strategy::Offset, Some(offset), None) => Ok(Make::Offset(offset)),
            (Strategy::Offset, None, _) => {
                wrong("`strategy: offset` needs an offset", "for example `offset: 1000000`")
            }
            (Strategy::Sequential, None, first) => Ok(Make::Sequential(first.unwrap_or(0))),
            (Strategy::Hash, None, None) => Ok(Make::Hash),
            (_, Some(_), _) if self.strategy != Strategy::Offset => {
                wrong("`offset` goes with `strategy: offset` alone", "leave it out")
            }
            _ => wrong("`first` goes with `strategy: sequential` alone", "leave it out"),
        }
    }
}

/// How new ids are made, with all it takes.
#[derive(Debug, Clone, Copy)]
enum Make {
    Offset(i64),
    Sequential(i64),
    Hash,
}

struct Remap {
    output: TableSchema,
    /// The schema of the id column alone.
    ids: Arc<Schema>,
    make: Make,
    file: Arc<IdFile>,
}

impl Transform for Remap {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn ids(&self) -> IdEffect {
        IdEffect::New(match self.make {
            Make::Offset(_) => NewIds::OneToOne,
            Make::Sequential(_) => NewIds::Unique,
            Make::Hash => NewIds::Hashed,
        })
    }

    fn apply(&self, batch: Batch, cx: &SplitContext) -> Result<Batch> {
        let index = self.output.id_index();
        let (batch, new) = self.new_ids(batch, index, cx)?;
        let old = batch.rows.column(index);
        let has_id = with_value(&batch, self.output.id().name());
        let rows = has_id.as_ref().map_or(batch.len(), |has_id| has_id.true_count() as u64);
        if !cx.comparing {
            let (old, new) = match &has_id {
                Some(has_id) => (&only(old, has_id)?, &only(&new, has_id)?),
                None => (old, &new),
            };
            self.file.add(&batch.place, old, new)?;
        }
        let mut columns = batch.rows.columns().to_vec();
        columns[index] = new;
        let batch = with_columns(batch, self.output.arrow(), columns)?;
        cx.meter.rows_remapped.add(rows);
        Ok(batch)
    }

    fn writes_beside(&self) -> bool {
        true
    }

    fn finish_split(&self, place: &Place) -> Result<()> {
        self.file.finish_split(place)
    }

    fn apply_ids(&self, ids: Batch, cx: &SplitContext) -> Result<Batch> {
        let (ids, new) = self.new_ids(ids, 0, cx)?;
        with_columns(ids, &self.ids, vec![new])
    }
}

impl Remap {
    /// The new ids of a batch whose ids are in column `index`. Rows for which there is none are
    /// marked.
    fn new_ids(
        &self,
        mut batch: Batch,
        index: usize,
        cx: &SplitContext,
    ) -> Result<(Batch, ArrayRef)> {
        let (new, too_large) = self.make.new_ids(batch.rows.column(index), &batch.place)?;
        let name = self.output.id().name();
        let misfits = too_large.into_iter().map(|(row, what)| {
            let help = Some("choose another `offset` or `strategy: sequential`");
            (row, Misfit { help, ..Misfit::lost(name, what) })
        });
        mark(&mut batch.place, &batch.rows, misfits.collect(), cx.on_bad_row)?;
        Ok((batch, new))
    }
}

/// Which rows have a value in a column, where not all have.
fn with_value(batch: &Batch, column: &str) -> Option<BooleanArray> {
    let marked = batch.place.misfits.as_deref()?;
    let is_lost = |misfit: &Misfit| misfit.lost.iter().any(|lost| lost == column);
    let has_value = |row| marked.get(&row).is_none_or(|misfit| !is_lost(misfit));
    Some(batch.place.rows().take(batch.rows.num_rows()).map(|row| Some(has_value(row))).collect())
}

fn only(values: &ArrayRef, which: &BooleanArray) -> Result<ArrayRef> {
    filter(values, which).map_err(|error| Error::internal("Cannot leave out ids").because(error))
}

fn with_columns(batch: Batch, schema: &Arc<Schema>, columns: Vec<ArrayRef>) -> Result<Batch> {
    let rows = RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::internal("New ids do not fit").because(error))?;
    Ok(Batch { rows, ..batch })
}

impl Make {
    /// New ids, and what is wrong with rows for which there is none.
    fn new_ids(self, old: &ArrayRef, place: &Place) -> Result<(ArrayRef, Vec<(usize, String)>)> {
        let mut too_large = Vec::new();
        let new: Int64Array = match (self, old.as_primitive_opt::<Int64Type>()) {
            (Make::Offset(offset), Some(old)) => old
                .values()
                .iter()
                .enumerate()
                .map(|(row, id)| {
                    let new = id.checked_add(offset);
                    if new.is_none() {
                        let what = "add up to more than 64 bits hold";
                        too_large
                            .push((row, format!("the id {id} and the offset {offset} {what}")));
                    }
                    Some(new.unwrap_or_default())
                })
                .collect(),
            (Make::Offset(_), None) => {
                return Err(Error::internal("An offset was to be added to text ids"));
            }
            (Make::Sequential(first), _) => {
                let start = first.checked_add_unsigned(place.position);
                let end = start.and_then(|start| start.checked_add_unsigned(old.len() as u64));
                let (Some(start), Some(end)) = (start, end) else {
                    return Err(Error::config("The last of the new ids does not fit 64 bits")
                        .at(place)
                        .help("choose a smaller `first`"));
                };
                Int64Array::from_iter_values(start..end)
            }
            (Make::Hash, Some(old)) => {
                let hash = Hash::of(&place.table);
                old.values().iter().map(|id| Some(hash.id(&id.to_le_bytes()))).collect()
            }
            (Make::Hash, None) => {
                let hash = Hash::of(&place.table);
                let old = old.as_string::<i32>().iter();
                old.map(|id| Some(hash.id(id.unwrap_or_default().as_bytes()))).collect()
            }
        };
        Ok((Arc::new(new), too_large))
    }
}

/// The hash of ids of one table: the lower 63 bits of XXH3-128 over the table's name, a zero byte,
/// and the id: 8 bytes, the lowest first, or the text's UTF-8. Fixed for good: rows of several runs
/// must agree on it.
struct Hash(Vec<u8>);

impl Hash {
    fn of(table: &str) -> Hash {
        Hash([table.as_bytes(), &[0]].concat())
    }

    fn id(&self, id: &[u8]) -> i64 {
        let hash = XxHash3_128::oneshot(&[&self.0[..], id].concat());
        ((hash as u64) & (u64::MAX >> 1)).cast_signed()
    }
}
