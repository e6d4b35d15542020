//! One call: metadata, deadline, status check, repetition.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Retry;
use crate::milvus::Result;
use crate::milvus::connection::{Connection, Procedure};
use crate::milvus::late;
use crate::milvus::retry::Pauses;
use crate::milvus::v2::Client;
use crate::milvus::v2::proto::common::Status;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::status::of_status;

/// A request message that belongs to one call.
///
/// Every call here may be repeated when its outcome is unknown: it reads, or leads to the same
/// state when done twice. Inserting does not and has its own way ([`crate::milvus::v2::insert`]).
pub trait Call: prost::Message + Clone + 'static {
    /// The call's name within the service.
    const NAME: &'static str;
    /// What comes back.
    type Answer: Answer;
}

/// An answer message; all of them carry a status.
pub trait Answer: prost::Message + Default + 'static {
    /// The status.
    fn status(&self) -> Option<&Status>;
}

impl Answer for Status {
    fn status(&self) -> Option<&Status> {
        Some(self)
    }
}

macro_rules! calls {
    ($($name:literal: $request:ty => $answer:ty,)+) => {
        $(impl Call for $request {
            const NAME: &'static str = $name;
            type Answer = $answer;
        })+
    };
}

macro_rules! answers {
    ($($answer:ty,)+) => {
        $(impl Answer for $answer {
            fn status(&self) -> Option<&Status> {
                self.status.as_ref()
            }
        })+
    };
}

calls! {
    "AllocTimestamp": AllocTimestampRequest => AllocTimestampResponse,
    "AlterAlias": AlterAliasRequest => Status,
    "Connect": ConnectRequest => ConnectResponse,
    "AlterCollection": AlterCollectionRequest => Status,
    "CreateAlias": CreateAliasRequest => Status,
    "CreateCollection": CreateCollectionRequest => Status,
    "CreateDatabase": CreateDatabaseRequest => Status,
    "CreateIndex": CreateIndexRequest => Status,
    "CreatePartition": CreatePartitionRequest => Status,
    "DescribeCollection": DescribeCollectionRequest => DescribeCollectionResponse,
    "DescribeIndex": DescribeIndexRequest => DescribeIndexResponse,
    "DropCollection": DropCollectionRequest => Status,
    "DropIndex": DropIndexRequest => Status,
    "DropPartition": DropPartitionRequest => Status,
    "Flush": FlushRequest => FlushResponse,
    "GetCollectionStatistics": GetCollectionStatisticsRequest => GetCollectionStatisticsResponse,
    "GetFlushState": GetFlushStateRequest => GetFlushStateResponse,
    "GetLoadState": GetLoadStateRequest => GetLoadStateResponse,
    "GetPartitionStatistics": GetPartitionStatisticsRequest => GetPartitionStatisticsResponse,
    "GetVersion": GetVersionRequest => GetVersionResponse,
    "ListAliases": ListAliasesRequest => ListAliasesResponse,
    "ListDatabases": ListDatabasesRequest => ListDatabasesResponse,
    "LoadCollection": LoadCollectionRequest => Status,
    "LoadPartitions": LoadPartitionsRequest => Status,
    "Query": QueryRequest => QueryResults,
    "ReleaseCollection": ReleaseCollectionRequest => Status,
    "ReleasePartitions": ReleasePartitionsRequest => Status,
    "RenameCollection": RenameCollectionRequest => Status,
    "ShowCollections": ShowCollectionsRequest => ShowCollectionsResponse,
    "ShowPartitions": ShowPartitionsRequest => ShowPartitionsResponse,
}

answers! {
    AllocTimestampResponse,
    ConnectResponse,
    DescribeCollectionResponse,
    DescribeIndexResponse,
    FlushResponse,
    GetCollectionStatisticsResponse,
    GetFlushStateResponse,
    GetLoadStateResponse,
    GetPartitionStatisticsResponse,
    GetVersionResponse,
    ListAliasesResponse,
    ListDatabasesResponse,
    MutationResult,
    QueryResults,
    ShowCollectionsResponse,
    ShowPartitionsResponse,
}

const SERVICE: &str = "milvus.proto.milvus.MilvusService";

/// Calls after which others find something else. Carried out late, one would undo what was done after it.
const ORDERED: [&str; 7] = [
    "CreateCollection",
    "DropCollection",
    "DropIndex",
    "DropPartition",
    "ReleaseCollection",
    "ReleasePartitions",
    "RenameCollection",
];

/// A procedure of the server.
pub(crate) fn procedure(name: &'static str) -> Procedure {
    Procedure { service: SERVICE, name }
}

impl Client {
    /// Makes a call, and again while it fails for a passing reason and time is left.
    ///
    /// A call that creates, drops, renames or releases something returns only when no ambiguous attempt of it
    /// can be carried out any more, so that none undoes what is done next.
    ///
    /// # Errors
    /// When the server refuses, can't be reached, or does not answer in time.
    pub async fn call<C: Call>(&self, request: C) -> Result<C::Answer> {
        self.call_telling(request).await.0
    }

    /// The same; and true when one of the requests got no answer, and may be carried out later.
    pub async fn call_telling<C: Call>(&self, request: C) -> (Result<C::Answer>, bool) {
        let mut pauses = Pauses::new(self.retry_for());
        let (mut lost, mut ambiguous_until) = (false, None);
        let outcome = loop {
            let sent = Instant::now();
            let error = match self.call_once(request.clone()).await {
                Ok(answer) => break Ok(answer),
                Err(error) => error,
            };
            let retry = error.retry();
            if retry == Retry::Ambiguous {
                lost = true;
                if ORDERED.contains(&C::NAME) {
                    ambiguous_until = Some(sent + late::lifetime(self.request_timeout()));
                }
            }
            if !matches!(retry, Retry::BackOff | Retry::Ambiguous) {
                break Err(error);
            }
            if !pauses.pause(&error).await {
                break Err(error);
            }
            self.count_repeat();
        };
        if let Some(deadline) = ambiguous_until {
            late::wait_until(deadline).await;
        }
        (outcome, lost)
    }

    /// Makes a call once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_once<C: Call>(&self, request: C) -> Result<C::Answer> {
        call_within(self.connection(), request, self.request_timeout()).await
    }
}

/// Makes a call once, within `limit`.
pub(super) async fn call_within<C: Call>(
    connection: &Connection,
    request: C,
    limit: Duration,
) -> Result<C::Answer> {
    let asked = Instant::now();
    let answer: C::Answer = connection.call(procedure(C::NAME), request, limit).await?;
    tracing::trace!(rpc = C::NAME, took = ?asked.elapsed(), "Answered");
    of_status(C::NAME, answer.status()).map_or(Ok(answer), Err)
}
