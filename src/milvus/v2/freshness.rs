//! Which of the rows that were written a query shows.

use serde::{Deserialize, Serialize};

use crate::milvus::v2::Client;
use crate::milvus::v2::page::Scan;
use crate::milvus::v2::proto::common::ConsistencyLevel;
use crate::milvus::v2::proto::milvus::AllocTimestampRequest;
use crate::milvus::{MilvusError, Result};

/// Which of the rows that were written a query shows.
///
/// A query for all that was written so far waits until the query nodes are that far: 200 ms on Milvus
/// 2.3.5. One for what was written until some earlier time finds them there, and takes 1 ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// All that was acknowledged so far.
    #[default]
    Now,
    /// All that was acknowledged until this time of the server, and perhaps more.
    Since(u64),
    /// What there was at this moment, and nothing else.
    At(u64),
}

impl Freshness {
    /// True when it stays the same however often it is asked.
    pub fn is_one_moment(self) -> bool {
        matches!(self, Freshness::At(_))
    }

    /// The level of consistency, and the time that goes with it.
    pub(super) fn as_asked(self) -> (ConsistencyLevel, u64) {
        match self {
            Freshness::Now => (ConsistencyLevel::Strong, 0),
            Freshness::Since(time) => (ConsistencyLevel::Customized, time),
            Freshness::At(moment) => (ConsistencyLevel::Strong, moment),
        }
    }
}

impl Client {
    /// What shows all that was acknowledged until now, now and later on.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn since_now(&self) -> Result<Freshness> {
        match self.call(AllocTimestampRequest {}).await {
            // Milvus Lite has no such time, and never waits.
            Ok(answer) if answer.timestamp == 0 => Ok(Freshness::Now),
            Ok(answer) => Ok(Freshness::Since(answer.timestamp)),
            // Who has no such call, or keeps it from us, is asked for all there is.
            Err(MilvusError::Refused { .. } | MilvusError::Denied { .. }) => Ok(Freshness::Now),
            Err(error) => Err(error),
        }
    }

    /// What shows the collection as it is now, each time: as one moment on servers that keep it (by the
    /// source of Milvus's proxy, which tells it where none is named; 2.3 and Milvus Lite do not), else
    /// with whatever comes later, too.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn freshness(&self, scan: &Scan) -> Result<Freshness> {
        let keeps_moments = self.version().at_least(2, 4, 0);
        let scan = Scan { freshness: Freshness::Now, ..scan.clone() };
        match if keeps_moments { self.moment(&scan).await? } else { 0 } {
            0 => self.since_now().await,
            moment => Ok(Freshness::At(moment)),
        }
    }
}
