//! One call: metadata, deadline, status check, repetition.

use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;

use crate::error::Retry;
use crate::milvus::v2::connect::Client;
use crate::milvus::v2::error::MilvusError;
use crate::milvus::v2::proto::common::Status;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::retry::Pauses;
use crate::milvus::v2::{Result, connect};

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
    "AlterAlias": AlterAliasRequest => Status,
    "CreateCollection": CreateCollectionRequest => Status,
    "CreateIndex": CreateIndexRequest => Status,
    "CreatePartition": CreatePartitionRequest => Status,
    "DescribeCollection": DescribeCollectionRequest => DescribeCollectionResponse,
    "DescribeIndex": DescribeIndexRequest => DescribeIndexResponse,
    "DropCollection": DropCollectionRequest => Status,
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

/// How much later than the client the server gives up.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The path of a call.
pub(crate) fn path_of(name: &str) -> String {
    format!("/milvus.proto.milvus.MilvusService/{name}")
}

impl Client {
    /// Makes a call, and again while it fails for a passing reason and time is left.
    ///
    /// # Errors
    /// When the server refuses, can't be reached, or does not answer in time.
    pub async fn call<C: Call>(&self, request: C) -> Result<C::Answer> {
        let mut pauses = Pauses::new(self.retry_for());
        loop {
            let error = match self.call_once(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passing = matches!(error.retry(), Retry::BackOff | Retry::Ambiguous);
            if !passing || !pauses.pause(&error).await {
                return Err(error);
            }
        }
    }

    /// Makes a call once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_once<C: Call>(&self, request: C) -> Result<C::Answer> {
        self.call_within(request, self.request_timeout()).await
    }

    /// Makes a call once, with a deadline of its own.
    pub(crate) async fn call_within<C: Call>(
        &self,
        request: C,
        limit: Duration,
    ) -> Result<C::Answer> {
        let answer = tokio::time::timeout(limit, self.send(request, limit))
            .await
            .map_err(|_| MilvusError::Deadline { rpc: C::NAME, after: limit })??;
        match MilvusError::of_status(C::NAME, answer.status()) {
            None => Ok(answer),
            Some(error) => Err(error),
        }
    }

    async fn send<C: Call>(&self, request: C, limit: Duration) -> Result<C::Answer> {
        let failed = |status| MilvusError::of_grpc(C::NAME, self.endpoint(), &status);
        let path = PathAndQuery::try_from(path_of(C::NAME))
            .map_err(|error| MilvusError::Malformed { rpc: C::NAME, words: error.to_string() })?;
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = self.metadata().clone();
        // The server gives up, too, a little later than we do.
        request.set_timeout(limit + GRACE);
        let mut grpc = Grpc::with_origin(self.channel(), self.origin())
            .max_decoding_message_size(connect::MAX_ANSWER);
        grpc.ready().await.map_err(|error| failed(tonic::Status::from_error(Box::new(error))))?;
        let answer = grpc.unary(request, path, ProstCodec::<C, C::Answer>::default()).await;
        answer.map(tonic::Response::into_inner).map_err(failed)
    }
}
