//! Batches to requests, and what to do when one fails.

use std::sync::Arc;

use arrow::datatypes::Float32Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use tokio::sync::RwLock;

use super::plan::existing;
use super::resume::Memo;
use crate::error::{Error, Result, Retry};
use crate::flow::{Batch, Meter};
use crate::milvus::MilvusError;
use crate::milvus::connection::frames::Frames;
use crate::milvus::retry::Pauses;
use crate::milvus::v1::Client;
use crate::milvus::v1::insert::InsertHead;
use crate::sink::server::{Clash, IdsFile, RequestSize, TakesRows, Target, id_words, without};
use crate::sink::{Completion, SplitWriter, TableWriter, Written};
use crate::table::{Place, Split, first_non_finite_f32};

/// The server's number for ids that are given where it makes them itself, or the other way round.
const ILLEGAL_VECTOR_ID: i32 = 12;

/// An open target.
pub(super) struct Table {
    pub shared: Arc<Shared>,
    pub memo: Memo,
}

/// What the writers of one target share.
pub(super) struct Shared {
    pub client: Client,
    pub target: Target,
    pub head: InsertHead,
    /// Bytes of one vector.
    pub row_bytes: usize,
    pub clash: Clash,
    /// True when a look at ids tells whether a request was carried out.
    pub can_repeat: bool,
    /// The partition that is counted; none for the whole collection.
    pub counted: Option<String>,
    /// Held alone while rows are removed and counted, and by others while they insert.
    pub replacing: RwLock<()>,
    pub request_size: RequestSize,
    /// Where the ids of inserted rows are added, if anywhere.
    pub ids_file: Option<IdsFile>,
    pub meter: Arc<Meter>,
}

#[async_trait]
impl TableWriter for Table {
    fn memo(&self) -> serde_json::Value {
        // Plain numbers, which always serialise.
        serde_json::to_value(&self.memo).unwrap_or_default()
    }

    async fn open_split(&self, _: &Split) -> Result<Box<dyn SplitWriter>> {
        Ok(Box::new(Writer(Arc::clone(&self.shared))))
    }

    async fn complete(&self) -> Result<Completion> {
        let rows_after = self.shared.count().await?;
        Ok(Completion { rows_before: self.memo.rows_before, rows_after })
    }
}

struct Writer(Arc<Shared>);

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        self.send(batch, false).await
    }

    async fn repeat(&mut self, batch: Batch) -> Result<Written> {
        self.send(batch, true).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Writer {
    /// Sends a batch; `again` when an interrupted run may have sent it.
    async fn send(&self, batch: Batch, again: bool) -> Result<Written> {
        let shared = &self.0;
        shared.check(&batch.rows, &batch.place)?;
        let mut written = Written::default();
        let mut rows = batch.rows.clone();
        if again {
            // Rows that were not flushed can't be found.
            shared.client.flush(&shared.target.collection).await?;
        }
        if again || shared.clash != Clash::None {
            let ids = rows.column(shared.head.id);
            let existing = existing(&shared.client, &shared.target, ids, shared.row_bytes).await?;
            if shared.clash == Clash::Replace {
                written.replaced = shared.remove(&existing).await?;
                if again {
                    // An interrupted run may have removed the old rows, and not come to insert the
                    // new ones.
                    written.replaced += batch.len().saturating_sub(existing.len() as u64);
                }
            } else if !existing.is_empty() {
                rows = without(&rows, shared.head.id, &existing)?;
                let there = batch.len() - rows.num_rows() as u64;
                match shared.clash {
                    Clash::Skip => written.skipped = there,
                    // They can only be those that were sent.
                    Clash::None | Clash::Replace => written.rows = there,
                }
            }
            if again {
                written.uncertain = written.skipped + written.replaced;
            }
        }
        let inserting = shared.replacing.read().await;
        let way = (&batch.place, &shared.target as _);
        shared.request_size.send_all(&rows, way, &**shared, &shared.meter).await?;
        drop(inserting);
        if let Some(file) = &shared.ids_file {
            file.add(rows.column(shared.head.id)).await?;
        }
        written.rows += rows.num_rows() as u64;
        Ok(written)
    }
}

#[async_trait]
impl TakesRows for Shared {
    fn request(&self, rows: &RecordBatch) -> Result<Frames> {
        Ok(self.head.request(rows)?)
    }

    async fn send(&self, rows: &RecordBatch, request: &Frames) -> Result<()> {
        let mut pauses = Pauses::new(self.client.retry_for());
        let mut in_doubt = false;
        loop {
            let Err(error) = self.client.insert(request).await else { return Ok(()) };
            let advice = error.retry();
            in_doubt |= advice == Retry::Ambiguous;
            let again = match advice {
                Retry::BackOff => true,
                Retry::Ambiguous => self.can_repeat,
                Retry::No | Retry::SmallerBatch => false,
            };
            if !again || !pauses.pause(&error).await {
                return Err(self.explained(error, in_doubt, request.rows()));
            }
            self.meter.retries.add(1);
            if in_doubt {
                let arrived = self.arrived(rows.column(self.head.id)).await;
                if arrived.map_err(|error| self.target.in_doubt(error, request.rows()))? {
                    return Ok(());
                }
            }
        }
    }
}

impl Shared {
    /// The target's rows.
    pub(super) async fn count(&self) -> Result<u64> {
        self.client.flush(&self.target.collection).await?;
        Ok(self.client.count(&self.target.collection, self.counted.as_deref()).await?)
    }

    /// What the server fails to check: it takes anything for a number.
    fn check(&self, rows: &RecordBatch, place: &Place) -> Result<()> {
        let lists = rows.column(self.head.vector).as_fixed_size_list_opt();
        let floats = lists.and_then(|lists| lists.values().as_primitive_opt::<Float32Type>());
        let Some(at) = floats.and_then(|floats| first_non_finite_f32(floats.values())) else {
            return Ok(());
        };
        let dim = (self.row_bytes / 4).max(1);
        let (row, element) = (at / dim, at % dim);
        let id = id_words(rows.column(self.head.id), row);
        let value = floats.map(|floats| floats.value(at)).unwrap_or_default();
        Err(Error::target(format!("Row with id {id}: element {element} of its vector is {value}"))
            .at(format!(
                "table {}, split {}, row {}",
                place.table,
                place.split,
                place.row(row as u64)
            ))
            .help("correct or remove the row in the source"))
    }

    fn explained(&self, error: MilvusError, in_doubt: bool, rows: usize) -> Error {
        let makes_ids = matches!(error, MilvusError::Refused { code: ILLEGAL_VECTOR_ID, .. });
        match Error::from(error) {
            error if in_doubt => self.target.in_doubt(error, rows),
            error if makes_ids => error.help("the collection makes the ids of its rows itself, so the source's can't be kept: write to another collection"),
            error => error,
        }
    }
}
