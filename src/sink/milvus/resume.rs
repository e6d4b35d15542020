//! Going on with a target that an interrupted run began to fill.

use serde::{Deserialize, Serialize};

use super::beside::{Beside, Rows, is_made_here};
use super::count::Before;

use super::plan::{Intent, indexes_of_new};
use super::target::Found;
use super::{Milvus, State};
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::milvus::v2::definition::IndexDefinition;
use crate::sink::server::is_gone;
use crate::sink::{Decision, Start, TableToWrite, TargetPlan};

/// What a run that goes on has to know of a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Memo {
    /// What it held before the first write.
    pub before: Before,
    /// The database, where it is not the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The collection, where the run made it.
    pub created: Option<String>,
}

/// What the server looked like to the interrupted run, and how far that came.
pub(super) struct Resumed {
    pub memo: Memo,
    /// Rows that it wrote for certain.
    pub written: u64,
    /// Rows that may be there.
    pub in_doubt: u64,
    /// Splits that have some of them, by their numbers.
    pub splits_in_doubt: Vec<usize>,
}

impl Resumed {
    pub(super) fn of(start: &Start) -> Result<Option<Resumed>> {
        let Start::GoOn(earlier) = start else { return Ok(None) };
        let splits = earlier.splits.iter().map(|split| split.progress);
        let in_doubt = splits.clone().enumerate().filter(|(_, split)| split.in_doubt());
        Ok(Some(Resumed {
            memo: earlier.memo()?,
            written: splits.map(|split| split.totals.rows_written).sum(),
            in_doubt: earlier.rows_in_doubt(),
            splits_in_doubt: in_doubt.map(|(number, _)| number).collect(),
        }))
    }
}

impl Milvus {
    /// What an earlier run left beside a collection that is replaced: rows of the run that is gone
    /// on with are taken over, all else is finished or cleared away.
    pub(super) async fn take_over(
        &self,
        client: &Client,
        table: &TableToWrite,
        plan: &TargetPlan,
        intent: &mut Intent,
        state: &mut State,
    ) -> Result<()> {
        let Some((beside, left)) = intent.beside.clone() else { return Ok(()) };
        if plan.publish.is_some() {
            match beside.rows(client).await? {
                Some(Rows::Beside) => {
                    if !state.created.contains(&beside.new) {
                        state.created.push(beside.new);
                    }
                    return Ok(());
                }
                Some(Rows::InPlace) => {
                    intent.beside = None;
                    return Ok(());
                }
                None => {}
            }
        }
        if !left.is_empty() && !state.created.contains(&beside.new) {
            Beside::recover(client, &beside.name, self.owner.get()).await?;
            *intent = self.intend(client, table).await?;
        }
        Ok(())
    }

    /// The indexes that an interrupted run had planned for a collection that it made, but did not
    /// come to make.
    pub(super) fn indexes_left_out(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
    ) -> Result<Vec<IndexDefinition>> {
        match &intent.found.collection {
            Some(made) if is_made_here(made) => {
                let (config, version) = (&self.config, client.version());
                let Intent { origin, shape, found, .. } = intent;
                let (mut indexes, _) = indexes_of_new(config, table, origin, shape, version)?;
                indexes.retain(|index| !found.has_index(index));
                Ok(indexes)
            }
            _ => Ok(Vec::new()),
        }
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
                self.decision = decision;
                let filled = self.filled();
                if !Found::ask(client, &filled).await?.has_place_for(&filled) {
                    return Err(is_gone(&filled));
                }
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
        if !self.found.has_place_for(&self.target) {
            return Ok(true);
        }
        client.flush(&self.target.collection).await?;
        let partition = self.target.partition.as_deref();
        Ok(client.row_count(&self.target.collection, partition).await? == 0)
    }
}
