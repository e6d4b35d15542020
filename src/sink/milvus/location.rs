//! What the target is, by the server's ids: a run must not read it.

use super::Milvus;
use super::beside::Beside;
use super::target::target_of;
use crate::error::Result;
use crate::location::DataLocation;
use crate::sink::server::{IdsFile, OnConflict};
use crate::sink::{Decision, Mode, TableToWrite, TargetPlan};

impl Milvus {
    /// Identifies the collection or partition that `table` goes to, the collections beside it that an
    /// overwrite drops or renames, and the file of ids.
    pub(super) async fn find_locations(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
    ) -> Result<Vec<DataLocation>> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let replaces = target.whole && plan.decision == Decision::Overwrite;
        // Milvus Lite keeps one row per id and collection: an upsert into one partition takes the row
        // out of the other.
        let takes_from_all = client.version().is_lite()
            && self.config.keep_ids
            && self.config.on_conflict == OnConflict::Upsert;
        let partition = match replaces || takes_from_all {
            true => None,
            false => target.partition.as_deref(),
        };
        let mut names = vec![(target.collection.clone(), partition)];
        if target.whole && self.config.mode == Mode::Overwrite && client.version().can_rename() {
            for Beside { new, old, .. } in Beside::all(client, &target.collection).await? {
                names.extend([(new, None), (old, None)]);
            }
        }
        let ids_file = IdsFile::location(self.config.ids_file.as_deref()).await?;
        let mut all: Vec<_> = ids_file.into_iter().collect();
        for (name, partition) in names {
            // The server resolves aliases.
            if let Some(collection) = client.describe_collection(&name).await? {
                let location = client.location(&collection, partition).await?;
                all.push(DataLocation::Collection(location));
            }
        }
        Ok(all)
    }
}
