//! Comparing with a target that is read from end to end: by buckets of rows, of which those that
//! differ are looked at again, row by row.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::RecordBatch;

use super::buckets::{Buckets, bucket_of};
use super::change::first_change;
use super::comparison::{Comparison, Verdict};
use super::differences::{Differences, SAMPLE, What};
use super::rows::{Reading, Side, SourceSide, TargetSide};
use crate::error::{Error, Result};
use crate::flow::survey::keys_of;
use crate::flow::{Batch, Id, blocking};
use crate::source::Source;
use crate::table::{RowHasher, TableSchema};

/// Bytes of one row that is kept by its id and hash, with all around it.
const ENTRY_BYTES: u64 = 256;

/// Compares all rows of the source with those of the target that come after its first `old_rows`.
pub async fn compare(
    target: Box<dyn Source>,
    side: &SourceSide<'_>,
    reading: &Reading<'_>,
    old_rows: u64,
) -> Result<Comparison> {
    let schema = &side.target.write.schema;
    let target = open(target, schema, old_rows).await?;
    let hashing = Hashing { hasher: RowHasher::new(schema), id: schema.id_index() };
    let in_source = hashing.buckets(side, reading).await?;
    let in_target = hashing.buckets(&target, reading).await?;
    let mut differences = Differences::default();
    if in_source.sum() != in_target.sum() || in_source.rows() != in_target.rows() {
        let most = side.pipeline.settings.memory / 4 / ENTRY_BYTES;
        let (chosen, whole) = in_source.differing(&in_target).within(most);
        let mut rows = Rows::default();
        hashing.note(side, reading, &chosen, &mut rows, |entry| (&mut entry.in_source, -1)).await?;
        hashing
            .note(&target, reading, &chosen, &mut rows, |entry| (&mut entry.in_target, 1))
            .await?;
        let mut found = Found::of(rows, &mut differences);
        found.name(side, &target, reading, &hashing, &mut differences).await?;
        differences.at_least = !whole;
    }
    let verdict = if differences.is_empty() { Verdict::Same } else { Verdict::Differ };
    Ok(Comparison {
        verdict,
        rows_in_source: Some(in_source.rows()),
        rows_in_target: Some(in_target.rows()),
        other_rows: (old_rows > 0).then_some(old_rows),
        checksum_of_source: Some(in_source.sum()),
        checksum_of_target: Some(in_target.sum()),
        differences,
        notes: Vec::new(),
    })
}

/// The target as a side; its columns must be those that were written.
async fn open(source: Box<dyn Source>, schema: &TableSchema, old_rows: u64) -> Result<TargetSide> {
    let mut tables = source.tables().await?;
    let (Some(table), true) = (tables.pop(), tables.is_empty()) else {
        return Err(Error::internal("A target was read back as other than one table"));
    };
    let types = |schema: &TableSchema| {
        let fields = schema.arrow().fields().iter();
        fields.map(|field| field.data_type().to_string()).collect::<Vec<_>>()
    };
    let (wanted, there) = (types(schema), types(&table.schema));
    if wanted != there {
        return Err(Error::differ(format!(
            "The target has the columns {}, the source {}",
            there.join(", "),
            wanted.join(", ")
        )));
    }
    Ok(TargetSide { source, table, old_rows })
}

/// How rows are hashed.
#[derive(Clone)]
struct Hashing {
    hasher: RowHasher,
    /// Index of the id column.
    id: usize,
}

/// What is known of the rows with one id.
#[derive(Default)]
struct Entry {
    in_source: u64,
    in_target: u64,
    /// By hash: how many more rows of it the target has.
    net: HashMap<u128, i64>,
}

type Rows = HashMap<u128, Entry>;

impl Hashing {
    /// Key and hash of each row.
    async fn hash(&self, batch: Batch) -> Result<Vec<(u128, u128)>> {
        let hashing = self.clone();
        blocking(move || {
            let keys = keys_of(batch.rows.column(hashing.id))?;
            Ok(keys.zip(hashing.hasher.hashes(&batch.rows)?).collect())
        })
        .await
    }

    async fn buckets(&self, side: &impl Side, reading: &Reading<'_>) -> Result<Buckets> {
        let found = reading
            .each(side, async |buckets: &mut Buckets, batch| {
                let hashes = self.hash(batch).await?;
                hashes.into_iter().for_each(|(key, hash)| buckets.add(key, hash));
                Ok(())
            })
            .await?;
        let mut all = Buckets::default();
        found.iter().for_each(|buckets| all.merge(buckets));
        Ok(all)
    }

    /// Notes the rows of the chosen buckets.
    async fn note(
        &self,
        side: &impl Side,
        reading: &Reading<'_>,
        chosen: &HashSet<usize>,
        rows: &mut Rows,
        count: impl Fn(&mut Entry) -> (&mut u64, i64),
    ) -> Result<()> {
        let found = reading
            .each(side, async |found: &mut Vec<(u128, u128)>, batch| {
                let hashes = self.hash(batch).await?.into_iter();
                found.extend(hashes.filter(|(key, _)| chosen.contains(&bucket_of(*key))));
                Ok(())
            })
            .await?;
        for (key, hash) in found.into_iter().flatten() {
            let entry = rows.entry(key).or_default();
            let (times, sign) = count(entry);
            *times += 1;
            *entry.net.entry(hash).or_default() += sign;
        }
        Ok(())
    }
}

/// Keys whose rows differ, of the smallest so many.
struct Found(BTreeMap<u128, Wanted>);

/// What is to be told of the rows with one id.
struct Wanted {
    id: Option<Id>,
    what: Told,
    source: Option<RecordBatch>,
    target: Option<RecordBatch>,
    /// Hashes that one side has more rows of.
    net: HashMap<u128, i64>,
}

enum Told {
    Plainly(What),
    Changed,
}

impl Found {
    /// Counts what differs.
    fn of(rows: Rows, differences: &mut Differences) -> Found {
        let mut found = BTreeMap::new();
        for (key, mut entry) in rows {
            entry.net.retain(|_, times| *times != 0);
            let lacks = entry.net.values().any(|times| *times < 0);
            let has = entry.net.values().any(|times| *times > 0);
            let Entry { in_source, in_target, net } = entry;
            let what = match (lacks, has) {
                (false, false) => continue,
                (true, true) => {
                    differences.changed += 1;
                    Told::Changed
                }
                (true, false) => {
                    differences.missing += 1;
                    Told::Plainly(What::Missing)
                }
                (false, true) if in_source == 0 => {
                    differences.extra += 1;
                    Told::Plainly(What::Extra)
                }
                (false, true) => {
                    differences.doubled += 1;
                    Told::Plainly(What::Doubled { in_source, in_target })
                }
            };
            found.insert(key, Wanted { id: None, what, source: None, target: None, net });
            if found.len() > SAMPLE {
                found.pop_last();
            }
        }
        Found(found)
    }

    /// Reads the rows that are named once more: texts are not in their hashes, and of rows that
    /// changed it is told what did.
    async fn name(
        &mut self,
        source: &SourceSide<'_>,
        target: &TargetSide,
        reading: &Reading<'_>,
        hashing: &Hashing,
        differences: &mut Differences,
    ) -> Result<()> {
        for (key, rows) in self.rows_of(source, reading, hashing, -1).await? {
            self.put(key, rows, hashing, |wanted| &mut wanted.source)?;
        }
        for (key, rows) in self.rows_of(target, reading, hashing, 1).await? {
            self.put(key, rows, hashing, |wanted| &mut wanted.target)?;
        }
        for wanted in std::mem::take(&mut self.0).into_values() {
            let Some(id) = wanted.id else {
                // It was there when it was read before.
                differences.at_least = true;
                continue;
            };
            let what = match (wanted.what, &wanted.source, &wanted.target) {
                (Told::Plainly(what), ..) => what,
                (Told::Changed, Some(source), Some(target)) => What::Changed {
                    first: first_change(&hashing.hasher, (source, 0), (target, 0))?,
                },
                (Told::Changed, ..) => What::Changed { first: None },
            };
            differences.name(id, what);
        }
        Ok(())
    }

    fn put(
        &mut self,
        key: u128,
        rows: RecordBatch,
        hashing: &Hashing,
        place: impl Fn(&mut Wanted) -> &mut Option<RecordBatch>,
    ) -> Result<()> {
        if let Some(wanted) = self.0.get_mut(&key) {
            wanted.id = Some(Id::at(rows.column(hashing.id), 0)?);
            *place(wanted) = Some(rows);
        }
        Ok(())
    }

    /// One row of each key that is wanted, of which this side has more than the other.
    async fn rows_of(
        &self,
        side: &impl Side,
        reading: &Reading<'_>,
        hashing: &Hashing,
        sign: i64,
    ) -> Result<BTreeMap<u128, RecordBatch>> {
        let found = reading
            .each(side, async |found: &mut BTreeMap<u128, RecordBatch>, batch: Batch| {
                let rows = batch.rows.clone();
                for (row, (key, hash)) in hashing.hash(batch).await?.into_iter().enumerate() {
                    let net = self.0.get(&key).and_then(|wanted| wanted.net.get(&hash));
                    if net.is_some_and(|times| times.signum() == sign) {
                        // A slice would keep the whole batch.
                        found.entry(key).or_insert_with(|| alone(&rows, row));
                    }
                }
                Ok(())
            })
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// A copy of one row.
fn alone(rows: &RecordBatch, row: usize) -> RecordBatch {
    let slice = rows.slice(row, 1);
    let index = arrow_array::UInt32Array::from(vec![0]);
    arrow::compute::take_record_batch(&slice, &index).unwrap_or(slice)
}
