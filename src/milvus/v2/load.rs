//! Loading: what must be in the query nodes' memory before it can be asked for.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::milvus::v2::proto::common::LoadState;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::query::{Question, the_count};
use crate::milvus::v2::{Client, Result};

/// How long queries may miss rows of a partition that counts as loaded.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// How long the number of rows that queries see must stay the same to be that of all rows.
const ALL_SEEN_WITHIN: Duration = Duration::from_secs(8);
/// How often partitions are loaded that a query node then does not have.
const ATTEMPTS: u32 = 3;
/// Between two looks whether they see them.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// What [`Client::load_missing`] loaded, so that it can be released again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loaded {
    /// Everything was loaded already.
    Nothing,
    /// The collection.
    Collection,
    /// These partitions.
    Partitions(Vec<String>),
}

impl Client {
    /// True when the collection (all of `partitions`, where some are named) can be queried.
    ///
    /// A collection counts as loaded as soon as one partition is, and a query then silently sees
    /// that one only; so name the partitions that matter.
    ///
    /// What is not there is not loaded. While others create collections and partitions, Milvus may not know for a
    /// moment one that was just created (seen on 2.3.5).
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn is_loaded(&self, collection: &str, partitions: &[String]) -> Result<bool> {
        match self.are_loaded(collection, partitions).await {
            Err(error) if error.is_missing() => Ok(false),
            told => told,
        }
    }

    /// The same while they are being loaded: an error where the collection was dropped.
    async fn are_loaded_yet(&self, collection: &str, partitions: &[String]) -> Result<bool> {
        match self.are_loaded(collection, partitions).await {
            Err(error) if error.is_missing() => match self.describe_collection(collection).await? {
                Some(_) => Ok(false),
                None => Err(error),
            },
            told => told,
        }
    }

    async fn are_loaded(&self, collection: &str, partitions: &[String]) -> Result<bool> {
        if self.version().is_lite() || partitions.is_empty() {
            return self.loaded(collection, Vec::new()).await;
        }
        for partition in partitions {
            if !self.loaded(collection, vec![partition.clone()]).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn loaded(&self, collection: &str, partition_names: Vec<String>) -> Result<bool> {
        let request = GetLoadStateRequest {
            collection_name: collection.to_owned(),
            partition_names,
            db_name: self.db_name(),
        };
        Ok(self.call(request).await?.state() == LoadState::Loaded)
    }

    /// Those of `partitions` that are not loaded.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn not_loaded(&self, collection: &str, partitions: &[String]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for partition in partitions {
            if !self.is_loaded(collection, std::slice::from_ref(partition)).await? {
                missing.push(partition.clone());
            }
        }
        Ok(missing)
    }

    /// Those of `partitions` that are loaded.
    pub(super) async fn loaded_of(
        &self,
        collection: &str,
        partitions: &[String],
    ) -> Result<Vec<String>> {
        let missing = self.not_loaded(collection, partitions).await?;
        let mut loaded = partitions.to_vec();
        loaded.retain(|partition| !missing.contains(partition));
        Ok(loaded)
    }

    /// Loads those of `partitions` that are not loaded, and waits for them. `whole` says that
    /// they are all partitions of the collection.
    ///
    /// # Errors
    /// When the server refuses (a vector field without an index), or takes too long.
    pub async fn load_missing(
        &self,
        collection: &str,
        partitions: &[String],
        whole: bool,
    ) -> Result<Loaded> {
        let _alone = self.loading(collection).await;
        self.load_missing_alone(collection, partitions, whole).await
    }

    /// The same for whoever holds [`loading`](Self::loading).
    pub(super) async fn load_missing_alone(
        &self,
        collection: &str,
        partitions: &[String],
        whole: bool,
    ) -> Result<Loaded> {
        let lite = self.version().is_lite();
        let missing = self.not_loaded(collection, partitions).await?;
        if missing.is_empty() {
            return Ok(Loaded::Nothing);
        }
        // Milvus Lite loads collections only.
        let loaded = match lite || (whole && missing.len() == partitions.len()) {
            true => Loaded::Collection,
            false => Loaded::Partitions(missing),
        };
        let mut what = loaded.clone();
        for attempt in 1.. {
            self.start_loading(collection, &what).await?;
            self.wait_until(&format!("loading {collection}"), || {
                self.are_loaded_yet(collection, partitions)
            })
            .await?;
            let Loaded::Partitions(names) = &loaded else { break };
            match self.wait_until_seen(collection, names).await {
                Err(error) if error.is_behind() && attempt < ATTEMPTS => {
                    tracing::warn!(%collection, ?names, "They are loaded again: {error}");
                    if attempt > 1 {
                        // All that is loaded: the query node forgets the collection, and its list.
                        let all = self.partitions(collection).await?;
                        what = Loaded::Partitions(self.loaded_of(collection, &all).await?);
                        self.release_alone(collection, Loaded::Collection).await?;
                    } else {
                        self.release_alone(collection, loaded.clone()).await?;
                    }
                }
                seen => {
                    seen?;
                    break;
                }
            }
        }
        Ok(loaded)
    }

    async fn start_loading(&self, collection: &str, what: &Loaded) -> Result<()> {
        let (db_name, collection_name) = (self.db_name(), collection.to_owned());
        match what {
            Loaded::Nothing => Ok(()),
            Loaded::Collection => {
                let replica_number = 1;
                let request = LoadCollectionRequest { db_name, collection_name, replica_number };
                self.call(request).await.map(drop)
            }
            Loaded::Partitions(names) => {
                let request = LoadPartitionsRequest {
                    db_name,
                    collection_name,
                    partition_names: names.clone(),
                    replica_number: 1,
                };
                self.call(request).await.map(drop)
            }
        }
    }

    /// Waits until queries see the rows of partitions that were just loaded. Where others had been
    /// loaded before, Milvus 2.3.5 says that they are loaded some seconds before that (up to 8 were
    /// seen), and meanwhile answers as if they were empty, or had a part of their rows.
    async fn wait_until_seen(&self, collection: &str, partitions: &[String]) -> Result<()> {
        for partition in partitions {
            let name = std::slice::from_ref(partition);
            // The statistics count deleted rows, so that fewer may be all there are.
            let most = self.row_count(collection, Some(partition)).await?;
            let (mut seen, mut since) = (0, Instant::now());
            while seen < most && since.elapsed() < SEEN_WITHIN {
                let answer = self.ask_loaded(Question::count(collection, name)).await?;
                let now = the_count(&answer)?;
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if seen > 0 && since.elapsed() > ALL_SEEN_WITHIN {
                    break;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    /// Releases what [`load_missing`](Self::load_missing) loaded.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn release(&self, collection: &str, loaded: Loaded) -> Result<()> {
        let _alone = self.loading(collection).await;
        self.release_alone(collection, loaded).await
    }

    /// The same for whoever holds [`loading`](Self::loading).
    pub(super) async fn release_alone(&self, collection: &str, loaded: Loaded) -> Result<()> {
        let (db_name, collection_name) = (self.db_name(), collection.to_owned());
        match loaded {
            Loaded::Nothing => Ok(()),
            Loaded::Partitions(partition_names) => {
                let request =
                    ReleasePartitionsRequest { db_name, collection_name, partition_names };
                self.call(request).await.map(drop)
            }
            Loaded::Collection => {
                let request = ReleaseCollectionRequest { db_name, collection_name };
                self.call(request).await.map(drop)
            }
        }
    }
}
