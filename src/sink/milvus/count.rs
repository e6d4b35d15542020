//! Counting the target's rows, the same way before and after.

use serde::{Deserialize, Serialize};

use super::target::Found;
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::sink::server::{Clash, Target};

/// How a target is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CountBy {
    /// By a query, which sees every row that was acknowledged and misses those that were deleted
    /// or replaced. Needs a loaded target.
    Query,
    /// By the server's statistics, after a flush. A Milvus counts deleted rows, too, until it
    /// tidies up; that changes nothing about the growth by plain inserts.
    Statistics,
    /// By the statistics of the whole collection, where rows of other partitions can be replaced.
    WholeStatistics,
}

/// What a target held before the first write.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Before {
    /// How it was counted, and how it will be counted afterwards.
    pub count_by: CountBy,
    /// What that gave.
    pub rows: u64,
    /// What a query gave, or would have given.
    pub exactly: Option<u64>,
}

impl CountBy {
    /// The way that works for the target as it is now.
    pub(super) async fn choose(
        client: &Client,
        target: &Target,
        found: &Found,
        clash: Clash,
    ) -> Result<CountBy> {
        // Milvus Lite ignores partitions in queries, and its statistics are exact at once.
        if client.version().is_lite() {
            // There a row takes the place of the one with its id in any partition.
            let whole = clash == Clash::Replace;
            return Ok(if whole { CountBy::WholeStatistics } else { CountBy::Statistics });
        }
        let loaded = client.is_loaded(&target.collection, &found.scope(target)).await?;
        Ok(if loaded { CountBy::Query } else { CountBy::Statistics })
    }

    /// Counts. Statistics are as of the last flush.
    pub(super) async fn count(self, client: &Client, target: &Target) -> Result<u64> {
        let partition = target.partition.as_deref();
        Ok(match self {
            CountBy::Query => {
                let partitions: Vec<_> = target.partition.iter().cloned().collect();
                client.count(&target.collection, &partitions).await?
            }
            CountBy::WholeStatistics => client.row_count(&target.collection, None).await?,
            CountBy::Statistics => client.row_count(&target.collection, partition).await?,
        })
    }
}

/// Rows now, without changing anything; `None` where that can't be told.
pub(super) async fn estimate(
    client: &Client,
    target: &Target,
    loaded: bool,
) -> Result<Option<u64>> {
    if loaded && !client.version().is_lite() {
        return CountBy::Query.count(client, target).await.map(Some);
    }
    let rows = CountBy::Statistics.count(client, target).await?;
    // Until the first flush a Milvus says 0 whatever it holds.
    Ok((rows > 0 || client.version().is_lite()).then_some(rows))
}
