//! The plan: which tables, in which splits, into which targets. Making it changes nothing.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::flow::Pipeline;
use crate::sink::{TableToWrite, TargetPlan};
use crate::source::SourceTable;
use crate::transform::Transform;

/// Everything a run is about to do.
pub struct Plan {
    /// One entry a table, in source order.
    pub tables: Vec<TablePlan>,
}

/// What happens to one table.
pub struct TablePlan {
    /// The table as the source describes it.
    pub source: SourceTable,
    /// Its transforms, prepared for its schema.
    pub transforms: Vec<Box<dyn Transform>>,
    /// The table as the sink sees it, after all transforms.
    pub write: TableToWrite,
    /// What the sink would do.
    pub target: TargetPlan,
    /// What the stage would do.
    pub stage: Option<TargetPlan>,
}

impl Plan {
    /// Asks the source for its tables and the sink what it would do with each.
    ///
    /// # Errors
    /// Whatever makes the run impossible, found before anything moves.
    pub async fn make(pipeline: &Pipeline) -> Result<Plan> {
        let mut tables = Vec::new();
        for source in pipeline.source.tables().await? {
            let name = source.name.clone();
            let table = TablePlan::make(pipeline, source)
                .await
                .map_err(|error: Error| error.at(format!("table {name}")))?;
            tables.push(table);
        }
        Ok(Plan { tables })
    }

    /// Makes sure that no two tables go to the same target: they would overwrite each other, or
    /// be counted as one.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) naming the first such target and its tables.
    pub fn check_targets(&self) -> Result<()> {
        let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for table in self.tables.iter().filter(|table| table.moves()) {
            tables.entry(&table.target.target).or_default().push(&table.source.name);
        }
        let Some((target, tables)) = tables.into_iter().find(|(_, tables)| tables.len() > 1) else {
            return Ok(());
        };
        Err(Error::config(format!(
            "{} tables go to the same target, {target}: {}",
            tables.len(),
            shortened(&tables)
        ))
        .help("give each table a target of its own, or move one of them at a time"))
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
    async fn make(pipeline: &Pipeline, source: SourceTable) -> Result<TablePlan> {
        let mut transforms: Vec<Box<dyn Transform>> = Vec::new();
        let mut schema = source.schema.clone();
        for factory in &pipeline.transforms {
            let transform = factory
                .plan(&schema)
                .map_err(|error| error.at(format!("transform {}", factory.kind())))?;
            schema = transform.output().clone();
            transforms.push(transform);
        }
        let write = TableToWrite {
            name: source.name.clone(),
            collection: source.collection.clone(),
            partition: source.partition.clone(),
            schema,
            metric: source.metric,
            rows: source.rows,
        };
        let target = pipeline.sink.plan(&write).await?;
        let stage = match &pipeline.stage {
            Some(stage) => Some(stage.plan(&write).await?),
            None => None,
        };
        Ok(TablePlan { source, transforms, write, target, stage })
    }

    /// False when the target is left alone.
    pub fn moves(&self) -> bool {
        self.target.decision != crate::sink::Decision::Skip
    }
}

/// The first few names.
fn shortened(names: &[&str]) -> String {
    const NAMES: usize = 5;
    let mut text = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Decision, IdRules};
    use crate::table::{TableSchema, VectorColumn, VectorType};

    fn table(name: &str, target: &str, decision: Decision) -> TablePlan {
        let column = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
        let schema = TableSchema::of_vectors("id", "vector", column);
        TablePlan {
            source: SourceTable {
                name: name.to_owned(),
                collection: name.to_owned(),
                partition: None,
                schema: schema.clone(),
                metric: None,
                rows: 0,
                bytes: 0,
                splits: Vec::new(),
                notes: Vec::new(),
            },
            transforms: Vec::new(),
            write: TableToWrite {
                name: name.to_owned(),
                collection: name.to_owned(),
                partition: None,
                schema,
                metric: None,
                rows: 0,
            },
            target: TargetPlan {
                target: target.to_owned(),
                decision,
                rows_before: None,
                notes: Vec::new(),
                ids: IdRules::default(),
            },
            stage: None,
        }
    }

    #[test]
    fn two_tables_may_not_go_to_one_target() {
        let mut tables = vec![
            table("a", "collection x", Decision::Overwrite),
            table("b", "collection y", Decision::Overwrite),
            table("c", "collection x", Decision::Skip),
        ];
        assert!(Plan { tables }.check_targets().is_ok());
        tables = ["a", "b"].map(|name| table(name, "collection x", Decision::Append)).into();
        let error = Plan { tables }.check_targets().expect_err("one target for two tables");
        assert_eq!(
            error.to_string(),
            "2 tables go to the same target, collection x: a, b\n  help: give each table a target of its own, or move one of them at a time"
        );
        assert_eq!(error.exit_code(), 2);
    }
}
