//! What is done to a target once its rows are there, as far as the user asked for it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::config::Config;
use super::plan::Intent;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::sink::server::Target;
use crate::words::count;

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Finish {
    wait_for_index: bool,
    load: bool,
    /// Further names that the collection gets.
    aliases: Vec<String>,
    /// Its own name, and the name it has at last.
    names: [String; 2],
}

impl Finish {
    pub(super) fn of(config: &Config, intent: &Intent) -> Finish {
        let aliases = match config.aliases && intent.makes_collection() {
            true => intent.origin.aliases().to_vec(),
            false => Vec::new(),
        };
        Finish {
            wait_for_index: config.wait_for_index,
            load: config.load,
            aliases,
            names: [intent.filled().collection, intent.target.collection.clone()],
        }
    }

    /// Does it. Doing it twice is doing it once.
    pub(super) async fn carry_out(
        &self,
        client: &Client,
        target: &Target,
        (partitions, whole): &(Vec<String>, bool),
    ) -> Result<()> {
        let collection = &target.collection;
        if self.wait_for_index {
            wait_for_indexes(client, collection).await.map_err(|error| {
                error.help("the rows are complete; the server goes on building by itself")
            })?;
        }
        if self.load {
            client.load_missing(collection, partitions, *whole).await.map_err(|error| {
                Error::from(error)
                    .at(format!("loading {target}"))
                    .help("the rows are complete: load them when there is room, or leave out sink.milvus.load")
            })?;
        }
        for alias in &self.aliases {
            match client.describe_collection(alias).await? {
                None => client.create_alias(alias, collection).await?,
                // It moves along, or is there from an earlier attempt.
                Some(there) if self.names.contains(&there.name) => {}
                Some(other) => tracing::warn!(
                    "{alias} stays the name of {}: {collection} does not get it",
                    other.name
                ),
            }
        }
        Ok(())
    }
}

/// Waits until all rows that are flushed are in the indexes.
async fn wait_for_indexes(client: &Client, collection: &str) -> Result<()> {
    let told = AtomicU64::new(u64::MAX);
    let finished = || async {
        let indexes = client.indexes(collection).await?;
        if let Some(failed) = indexes.iter().find(|index| index.failed.is_some()) {
            let why = failed.failed.as_deref().unwrap_or_default();
            return Err(crate::milvus::MilvusError::Settings(format!(
                "The index on {} could not be built: {why}",
                failed.definition.field
            )));
        }
        let left = indexes.iter().map(|index| index.rows_left).sum();
        if left > 0 && told.swap(left, Ordering::Relaxed) != left {
            tracing::info!("Building indexes of {collection}: {} rows to go", count(left));
        }
        Ok(left == 0 && indexes.iter().all(|index| index.finished))
    };
    Ok(client.wait_until(&format!("building the indexes of {collection}"), finished).await?)
}
