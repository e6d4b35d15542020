//! One call: status check, repetition.

use std::time::Duration;

use prost::Message;
use tokio::time::Instant;

use super::Client;
use super::proto::*;
use super::status::of_status;
use crate::error::Retry;
use crate::milvus::Result;
use crate::milvus::connection::{Connection, Procedure};
use crate::milvus::late;
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

/// Calls after which others find something else. Carried out late, one would undo what was done after it.
const ORDERED: [&str; 4] = ["CreateCollection", "DeleteByID", "DropCollection", "DropPartition"];

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
    /// A call that creates, drops or deletes something returns only when no ambiguous attempt of it can be
    /// carried out any more, so that none undoes what is done next.
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
        let mut ambiguous_until = None;
        let outcome = loop {
            let sent = Instant::now();
            let error = match call_once(self.connection(), name, request.clone(), limit).await {
                Ok(answer) => break Ok(answer),
                Err(error) => error,
            };
            let retry = error.retry();
            if retry == Retry::Ambiguous && ORDERED.contains(&name) {
                ambiguous_until = Some(sent + late::lifetime(limit));
            }
            if !matches!(retry, Retry::BackOff | Retry::Ambiguous) {
                break Err(error);
            }
            if !pauses.pause(&error).await {
                return Err(error);
            }
        };
        if let Some(deadline) = ambiguous_until {
            late::wait_until(deadline).await;
        }
        outcome
    }
}
