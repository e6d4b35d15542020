//! Going on with a target that an interrupted run began to fill.

use serde::{Deserialize, Serialize};

use super::count::Before;
use super::plan::Intent;
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::sink::server::is_gone;
use crate::sink::{Decision, Start, TargetPlan};

/// What a run that goes on has to know of a target.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Memo {
    /// What it held before the first write.
    pub before: Before,
    /// True where the run made the collection.
    pub created: bool,
}

/// What the server looked like to the interrupted run, and how far that came.
pub(super) struct Resumed {
    pub memo: Memo,
    /// Rows that may be there.
    pub in_doubt: u64,
}

impl Resumed {
    pub(super) fn of(start: &Start) -> Result<Option<Resumed>> {
        let Start::GoOn(earlier) = start else { return Ok(None) };
        Ok(Some(Resumed { memo: earlier.memo()?, in_doubt: earlier.rows_in_doubt() }))
    }
}

impl Intent {
    /// Takes the decision from the plan where an interrupted run has begun to carry it out: what it
    /// made is there by now, and looks as if it had been there before.
    pub(super) async fn go_on(
        &mut self,
        client: &Client,
        plan: &TargetPlan,
        start: &Start,
    ) -> Result<()> {
        match (start, plan.decision) {
            (Start::Fresh, _) => {}
            (Start::GoOn(_), decision) => {
                if !self.found.exists(&self.target) {
                    return Err(is_gone(&self.target));
                }
                self.decision = decision;
            }
            (Start::Again, Decision::Create) if self.found.exists(&self.target) => {
                if self.is_empty(client).await? {
                    self.decision = Decision::Create;
                }
            }
            // It was cut off after the old rows had gone.
            (Start::Again, Decision::Overwrite) if self.decision == Decision::Create => {
                self.decision = Decision::Overwrite;
            }
            (Start::Again, _) => {}
        }
        Ok(())
    }

    async fn is_empty(&self, client: &Client) -> Result<bool> {
        client.flush(&self.target.collection).await?;
        let partition = self.target.partition.as_deref();
        Ok(client.row_count(&self.target.collection, partition).await? == 0)
    }
}
