//! What somebody else released while it was read, or what a query node lost: it is loaded again.
//!
//! Whoever loaded a collection may release it at any time, another run, too, which knows nothing of
//! this one. A server then refuses queries: code 101, with different words on 2.3.5 and Milvus Lite
//! 3.2.2 (measured); 2.5.1 of Milvus Lite answers all the same.
//!
//! Where partitions of a collection are loaded or released at once, a query node of 2.3.5 may lose one from its list
//! for good, while the server calls it loaded (seen: queries were refused for ten minutes). Releasing it and loading
//! it again brings it back.

use super::load::Loaded;
use super::proto::milvus::QueryResults;
use super::query::Question;
use super::{Client, Result};

/// What was loaded again, of which collection, in which database.
#[derive(Debug)]
pub(super) struct Reloaded {
    database: String,
    collection: String,
    loaded: Loaded,
}

/// How often one question is asked again because its collection was released.
const TRIES: u32 = 3;

impl Client {
    /// Asks, and loads what was released meanwhile.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<QueryResults> {
        let mut tries = 0;
        loop {
            let resting = self.not_loading(question.collection).await;
            let answer = self.ask_loaded(question.clone()).await;
            drop(resting);
            match answer {
                Err(error) if error.is_not_loaded() && tries < TRIES => {
                    tries += 1;
                    self.load_again(question.collection, question.partitions).await?;
                }
                Err(error) if error.is_behind() && tries < TRIES => {
                    tries += 1;
                    self.load_afresh(&question).await?;
                }
                answer => return answer,
            }
        }
    }

    /// Releases what is asked, as far as it is loaded, and loads it again.
    async fn load_afresh(&self, question: &Question<'_>) -> Result<()> {
        let (collection, all) = (question.collection, self.partitions(question.collection).await?);
        let _alone = self.loading(collection).await;
        // Another one may have waited for this, and done it.
        match self.ask_loaded(question.clone()).await {
            Err(error) if error.is_behind() => {}
            _ => return Ok(()),
        }
        let asked = match question.partitions {
            [] => &*all,
            some => some,
        };
        let partitions = self.loaded_of(collection, asked).await?;
        if partitions.is_empty() {
            // It was released meanwhile: the next answer says so.
            return Ok(());
        }
        tracing::warn!(
            %collection,
            ?partitions,
            "Milvus calls it loaded, and its query node does not have it: it is released and loaded again"
        );
        let whole = partitions.len() == all.len();
        let loaded = match whole {
            true => Loaded::Collection,
            false => Loaded::Partitions(partitions.clone()),
        };
        self.release_alone(collection, loaded).await?;
        self.load_missing_alone(collection, &partitions, whole).await.map(drop)
    }

    async fn load_again(&self, collection: &str, partitions: &[String]) -> Result<()> {
        // One at a time: the others find it loaded.
        let mut reloaded = self.reloaded().await;
        let all = self.partitions(collection).await?;
        let (wanted, whole) = match partitions {
            [] => (&*all, true),
            some => (some, some.len() == all.len()),
        };
        match self.load_missing(collection, wanted, whole).await? {
            Loaded::Nothing => {}
            loaded => {
                tracing::warn!(
                    %collection,
                    "Somebody released it while it was read: it is loaded again, until the run ends"
                );
                reloaded.push(Reloaded {
                    database: self.db_name(),
                    collection: collection.to_owned(),
                    loaded,
                });
            }
        }
        Ok(())
    }

    /// Releases what was loaded again because somebody had released it; says what could not be.
    pub async fn release_reloaded(&self) {
        let reloaded = std::mem::take(&mut *self.reloaded().await);
        for Reloaded { database, collection, loaded } in reloaded {
            let released = match database == self.db_name() {
                true => self.release(&collection, loaded).await,
                false => match self.within(&database) {
                    Ok(client) => client.release(&collection, loaded).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = released {
                tracing::warn!(%collection, "Still loaded, only to be read: {error}");
            }
        }
    }
}
