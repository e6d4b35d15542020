//! Going on with a target that an interrupted run began to fill.

use serde::{Deserialize, Serialize};

use super::plan::Intent;
use crate::error::Result;
use crate::milvus::v1::Client;
use crate::sink::server::is_gone;
use crate::sink::{Decision, Start, TargetPlan};

/// What a run that goes on has to know of a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Memo {
    /// Rows that it held before the first write.
    pub rows_before: u64,
    /// The collection, where the run made it.
    pub created: Option<String>,
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
        let (exists, place) =
            (self.found.exists(&self.target), self.found.has_place_for(&self.target));
        match (start, plan.decision) {
            (Start::GoOn(_), _) if !place => return Err(is_gone(&self.target)),
            (Start::GoOn(_), decision) => self.decision = decision,
            (Start::Again, Decision::Create) if exists => {
                client.flush(&self.target.collection).await?;
                let (collection, tag) = (&self.target.collection, self.target.partition.as_deref());
                if !place || client.count(collection, tag).await? == 0 {
                    self.decision = Decision::Create;
                }
            }
            // It was cut off after the old rows had gone.
            (Start::Again, Decision::Overwrite) if self.decision == Decision::Create => {
                self.decision = Decision::Overwrite;
            }
            (Start::Fresh | Start::Again, _) => {}
        }
        Ok(())
    }
}
