//! One call: status check, repetition.

use std::time::Duration;

use prost::Message;

use super::Client;
use super::proto::*;
use super::status::of_status;
use crate::error::Retry;
use crate::milvus::Result;
use crate::milvus::connection::{Connection, Procedure};
use crate::milvus::retry::Pauses;

/// An answer message; all of them carry a status.
pub trait Answer: Message + Default + 'static {
    /// The status.
    fn status(&self) -> Option<&Status>;
}

impl Answer for Status {
    fn status(&self) -> Option<&Status> {
        Some(self)
    }
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

answers! {
    CollectionInfo,
    CollectionNameList,
    CollectionRowCount,
    CollectionSchema,
    PartitionList,
    StringReply,
    VectorIds,
    VectorsData,
}

/// A procedure of the server.
pub(super) fn procedure(name: &'static str) -> Procedure {
    Procedure { service: "milvus.grpc.MilvusService", name }
}

/// Makes a call once, within `limit`.
pub(super) async fn call_once<A: Answer>(
    connection: &Connection,
    name: &'static str,
    request: impl Message + 'static,
    limit: Duration,
) -> Result<A> {
    let answer: A = connection.call(procedure(name), request, limit).await?;
    of_status(name, answer.status()).map_or(Ok(answer), Err)
}

impl Client {
    /// Makes a call, and again while it fails for a passing reason and time is left: one that reads,
    /// or leads to the same state when done twice.
    ///
    /// # Errors
    /// When the server refuses, can't be reached, or does not answer in time.
    pub(super) async fn call<A: Answer>(
        &self,
        name: &'static str,
        request: impl Message + Clone + 'static,
    ) -> Result<A> {
        let limit = self.connection().options().request_timeout;
        self.call_within(name, request, limit).await
    }

    /// The same with a deadline of its own.
    pub(super) async fn call_within<A: Answer>(
        &self,
        name: &'static str,
        request: impl Message + Clone + 'static,
        limit: Duration,
    ) -> Result<A> {
        let mut pauses = Pauses::new(self.connection().options().retry_for);
        loop {
            let error = match call_once(self.connection(), name, request.clone(), limit).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passing = matches!(error.retry(), Retry::BackOff | Retry::Ambiguous);
            if !passing || !pauses.pause(&error).await {
                return Err(error);
            }
        }
    }
}
