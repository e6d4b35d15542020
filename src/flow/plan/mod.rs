//! The plan: which tables, in which splits, into which targets. Making it changes nothing.

mod hold;
mod merge;
mod names;
mod overlap;
mod resume;
mod suspects;
mod target;

use std::sync::Arc;

use crate::error::Result;
use crate::flow::remains::remains_of;
use crate::flow::{Chain, Pipeline, Remains};
use crate::ownership::{Claim, End, Hold};
use crate::sink::{Decision, TableToWrite, TargetPlan};
use crate::source::SourceTable;

pub(in crate::flow) use target::Side;
pub use target::{TargetSplit, TargetTable};

/// Everything a run is about to do.
pub struct Plan {
    /// One entry a table of the source, in source order.
    pub tables: Vec<TablePlan>,
    /// One entry a target, in the order of their first tables.
    pub targets: Vec<Arc<TargetTable>>,
    /// When the run that it goes on with was begun (RFC 3339, UTC); none for a new run.
    pub resumes: Option<String>,
    /// The marks of its targets; nothing for a plan that is not carried out.
    pub hold: Hold,
    /// What other runs left at its targets.
    pub remains: Vec<Remains>,
}

/// What happens to one table of the source.
pub struct TablePlan {
    /// The table as the source describes it.
    pub source: Arc<SourceTable>,
    /// Its transforms, prepared for its schema.
    pub transforms: Chain,
    /// Where it goes, perhaps with other tables.
    pub target: Arc<TargetTable>,
}

/// A table whose target is known, but not what else goes there.
struct Alone {
    source: SourceTable,
    transforms: Chain,
    write: TableToWrite,
    target: TargetPlan,
}

impl Plan {
    /// Asks the source for its tables and the sink what it would do with each. Tables that go to
    /// the same target are merged.
    ///
    /// # Errors
    /// Whatever makes the run impossible, found before anything moves.
    pub async fn make(pipeline: &Pipeline) -> Result<Plan> {
        Plan::make_with(pipeline, false, None).await
    }

    /// The same for a run, which marks its targets before anything is decided about them.
    ///
    /// # Errors
    /// As [`make`](Self::make); and [`Kind::Held`](crate::error::Kind::Held) when another run has one
    /// of the targets.
    pub async fn claim(pipeline: &Pipeline, claim: &Claim) -> Result<Plan> {
        pipeline.work_for(&claim.mark.run, &claim.own);
        Plan::make_with(pipeline, false, Some(claim)).await
    }

    /// The same to compare source and targets: a target that a run would leave alone is looked at
    /// like others.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub(super) async fn to_compare(pipeline: &Pipeline) -> Result<Plan> {
        Plan::make_with(pipeline, true, None).await
    }

    async fn make_with(
        pipeline: &Pipeline,
        merge_all: bool,
        claim: Option<&Claim>,
    ) -> Result<Plan> {
        let tables = ToWrite::all(pipeline, pipeline.source.tables().await?).await?;
        names::check(&*pipeline.sink, &tables)?;
        let hold = match claim {
            Some(claim) => hold::take(pipeline, &tables, claim, false).await?,
            None => Hold::none(),
        };
        let own = claim.map(|claim| claim.mark.run.as_str());
        let decided = async {
            let remains = remains_of(pipeline, &tables, own).await?;
            Ok(Plan { remains, ..Plan::decide(pipeline, tables, merge_all).await? })
        };
        match decided.await {
            Ok(plan) => Ok(Plan { hold, ..plan }),
            Err(error) => {
                hold.end(End::Untouched).await;
                Err(error)
            }
        }
    }

    async fn decide(pipeline: &Pipeline, tables: Vec<ToWrite>, merge_all: bool) -> Result<Plan> {
        for table in &tables {
            suspects::refuse(pipeline, &table.source).await?;
        }
        let mut alone = Vec::new();
        for ToWrite { source, transforms, write } in tables {
            let target = pipeline.sink.plan(&write).await;
            let target = target.map_err(|error| error.at(format!("table {}", source.name)))?;
            alone.push(Alone { source, transforms, write, target });
        }
        let mut targets = Vec::new();
        let mut target_of = vec![0; alone.len()];
        for members in merge::groups(&alone, merge_all) {
            for member in &members {
                target_of[*member] = targets.len();
            }
            targets.push(Arc::new(TargetTable::make(pipeline, &alone, members).await?));
        }
        merge::check_stages(&targets)?;
        let plan = Plan::of(alone, target_of, targets);
        if !merge_all {
            overlap::check(pipeline, &plan).await?;
        }
        Ok(plan)
    }

    fn of(alone: Vec<Alone>, target_of: Vec<usize>, targets: Vec<Arc<TargetTable>>) -> Plan {
        let tables = alone.into_iter().zip(target_of).map(|(table, target)| TablePlan {
            source: Arc::new(table.source),
            transforms: table.transforms,
            target: Arc::clone(&targets[target]),
        });
        Plan {
            tables: tables.collect(),
            targets,
            resumes: None,
            hold: Hold::none(),
            remains: Vec::new(),
        }
    }

    /// Rows that the source announces for tables that move.
    pub fn rows(&self) -> u64 {
        self.tables.iter().filter(|t| t.moves()).map(|t| t.source.rows).sum()
    }

    /// Bytes that the source announces for tables that move.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().filter(|t| t.moves()).map(|t| t.source.bytes).sum()
    }
}

impl TablePlan {
    /// False when the target is left alone.
    pub fn moves(&self) -> bool {
        self.target.moves()
    }
}

impl Alone {
    fn moves(&self) -> bool {
        self.target.decision != Decision::Skip
    }
}

/// A table as the sink sees it, and the transforms that make it so.
pub(in crate::flow) struct ToWrite {
    source: SourceTable,
    transforms: Chain,
    pub write: TableToWrite,
}

impl ToWrite {
    /// All tables of the source, behind the pipeline's transforms and the sink's own.
    pub async fn all(pipeline: &Pipeline, sources: Vec<SourceTable>) -> Result<Vec<ToWrite>> {
        let mut tables = Vec::with_capacity(sources.len());
        for source in sources {
            let (transforms, schema) = Chain::plan(&pipeline.transforms, &source.schema)
                .map_err(|error| error.at(format!("table {}", source.name)))?;
            let write = TableToWrite {
                name: source.name.clone(),
                database: source.database.clone(),
                collection: source.collection.clone(),
                part: source.part.clone(),
                schema,
                metric: source.metric,
                rows: source.rows,
            };
            tables.push(ToWrite { source, transforms, write });
        }
        let writes: Vec<_> = tables.iter().map(|table| table.write.clone()).collect();
        let more = pipeline.sink.transforms(&writes).await?;
        for (table, factories) in tables.iter_mut().zip(more) {
            let transforms = std::mem::take(&mut table.transforms);
            (table.transforms, table.write.schema) = transforms
                .followed_by(&factories, &table.write.schema)
                .map_err(|error| error.at(format!("table {}", table.source.name)))?;
        }
        Ok(tables)
    }
}
