//! Sending a request that lies in parts.

use crate::milvus::connection::frames::Frames;
use crate::milvus::v2::Client;
use crate::milvus::v2::proto::milvus::MutationResult;
use crate::milvus::v2::rpc::{Answer, procedure};
use crate::milvus::v2::status::of_status;
use crate::milvus::{MilvusError, Result};

/// What a request does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Adds them. A Milvus does not look whether it holds their ids already.
    Insert,
    /// Adds them in place of those in the same partition that have their ids. Doing it twice is
    /// doing it once.
    Upsert,
}

impl Verb {
    /// The call's name.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Insert => "Insert",
            Verb::Upsert => "Upsert",
        }
    }
}

impl Client {
    /// Sends rows once and waits for the server's word. Returns how many it took.
    ///
    /// # Errors
    /// When the server refuses, or its answer does not come. Never repeated here: that is safe
    /// only for whoever knows whether the ids can be there already.
    pub async fn send_rows(&self, verb: Verb, frames: &Frames) -> Result<u64> {
        let procedure = procedure(verb.name());
        let limit = self.request_timeout();
        let _sending = self.sending().await;
        let answer: MutationResult = self.connection().send(procedure, frames, limit).await?;
        if let Some(error) = of_status(verb.name(), answer.status()) {
            return Err(error);
        }
        let taken = match verb {
            Verb::Insert => answer.insert_cnt,
            Verb::Upsert => answer.upsert_cnt,
        };
        let taken = u64::try_from(taken).unwrap_or(0);
        let failed = answer.err_index.len();
        if taken != frames.rows() as u64 || failed > 0 {
            let mut words = format!("{taken} rows taken of {} sent", frames.rows());
            if failed > 0 {
                words.push_str(&format!(", {failed} of them in error"));
            }
            return Err(MilvusError::Malformed { rpc: verb.name(), words });
        }
        Ok(taken)
    }
}
