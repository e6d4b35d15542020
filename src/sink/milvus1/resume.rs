//! Going on with a target that an interrupted run began to fill.

use serde::{Deserialize, Serialize};

use super::plan::Intent;
use crate::error::Result;
use crate::milvus::v1::Client;
use crate::sink::server::is_gone;
use crate::sink::{Decision, Start, TargetPlan};

/// What a run that goes on has to know of a target.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Memo {
    /// Rows that it held before the first write.
    pub rows_before: u64,
    /// True where the run made the collection.
    pub created: bool,
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
        let exists = self.found.exists(&self.target);
        match (start, plan.decision) {
            (Start::GoOn(_), _) if !exists => return Err(is_gone(&self.target)),
            (Start::GoOn(_), decision) => self.decision = decision,
            (Start::Again, Decision::Create) if exists => {
                client.flush(&self.target.collection).await?;
                if client.count(&self.target.collection, self.target.tag()).await? == 0 {
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
