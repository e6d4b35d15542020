//! Batches to requests, and what to do when one fails.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use tokio::sync::RwLock;

use super::plan::existing;
use super::resume::Memo;
use crate::error::{Error, Result};
use crate::flow::{Batch, Meter};
use crate::milvus::MilvusError;
use crate::milvus::connection::frames::Frames;
use crate::milvus::late::LateRequests;
use crate::milvus::v1::Client;
use crate::milvus::v1::insert::InsertHead;
use crate::sink::server::{Clash, IdsFile, Intake, TakesRows, Target, without};
use crate::sink::{Completion, Receipt, SplitWriter, TableWriter, Written};
use crate::table::Split;

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
    /// The ambiguous requests: one that is carried out late doubles its rows.
    pub late: LateRequests,
    /// The partition that is counted; none for the whole collection.
    pub counted: Option<String>,
    /// Held alone while rows are removed and counted, and by others while they insert.
    pub replacing: RwLock<()>,
    pub intake: Arc<Intake>,
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
        self.shared.late.wait().await;
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

    async fn finish(self: Box<Self>) -> Result<Option<Receipt>> {
        Ok(None)
    }
}

impl Writer {
    /// Sends a batch; `again` when an interrupted run may have sent it.
    async fn send(&self, batch: Batch, again: bool) -> Result<Written> {
        let shared = &self.0;
        let mut written = Written::default();
        let mut rows = batch.rows.clone();
        if again {
            shared.late.wait().await;
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
        let way = (&batch.place, &shared.target);
        shared.intake.send_all(&rows, way, &**shared, &shared.meter).await?;
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

    async fn send(&self, request: &Frames, _: bool) -> Result<(), MilvusError> {
        self.client.insert(request).await
    }

    fn late_requests(&self) -> Option<&LateRequests> {
        Some(&self.late)
    }

    fn can_repeat(&self) -> bool {
        self.can_repeat
    }

    async fn arrived(&self, rows: &RecordBatch) -> Result<bool> {
        self.are_there(rows.column(self.head.id)).await
    }

    fn explained(&self, error: MilvusError) -> Error {
        let makes_ids = matches!(error, MilvusError::Refused { code: ILLEGAL_VECTOR_ID, .. });
        match Error::from(error) {
            error if makes_ids => error.help("the collection makes the ids of its rows itself, so the source's can't be kept: write to another collection"),
            error => error,
        }
    }
}

impl Shared {
    /// The target's rows.
    pub(super) async fn count(&self) -> Result<u64> {
        self.client.flush(&self.target.collection).await?;
        Ok(self.client.count(&self.target.collection, self.counted.as_deref()).await?)
    }
}
