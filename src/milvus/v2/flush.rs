//! Flushing: making rows durable, and visible to the row count.

use std::time::{Duration, Instant};

use crate::milvus::v2::proto::milvus::{FlushRequest, GetFlushStateRequest};
use crate::milvus::v2::{Client, MilvusError, Result};

/// Between the first questions. One takes a server about 1 ms.
const SOON: Duration = Duration::from_millis(10);
/// How long is waited before the log says what for, and between two such lines.
const WORD_EVERY: Duration = Duration::from_secs(30);

impl Client {
    /// Flushes a collection and waits until the server says that it is done.
    ///
    /// # Errors
    /// When the server refuses or takes too long.
    pub async fn flush(&self, collection: &str) -> Result<()> {
        let request =
            FlushRequest { db_name: self.db_name(), collection_names: vec![collection.to_owned()] };
        let quiet = self.nobody_sending().await;
        let mut answer = self.call(request).await?;
        drop(quiet);
        // Milvus Lite flushes before it answers, and names no segments.
        if self.version().is_lite() || self.version().is_early_lite() {
            return Ok(());
        }
        let segments = answer.coll_seg_i_ds.remove(collection).ok_or_else(|| {
            MilvusError::Malformed { rpc: "Flush", words: format!("nothing about {collection}") }
        })?;
        let state = GetFlushStateRequest {
            segment_i_ds: segments.data,
            flush_ts: answer.coll_flush_ts.remove(collection).unwrap_or(0),
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
        };
        self.wait_until(&format!("flushing {collection}"), || async {
            Ok(self.call(state.clone()).await?.flushed)
        })
        .await
    }

    /// Asks again and again, ever more slowly, until the answer is yes. What took a while was waited for
    /// by a sixty-fourth too long at most, and by a second. The log says what is waited for.
    pub(crate) async fn wait_until<F>(&self, what: &str, mut done: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<bool>>,
    {
        let (began, limit) = (Instant::now(), self.wait_timeout());
        let mut word_due = WORD_EVERY;
        while !done().await? {
            if began.elapsed() > limit {
                return Err(MilvusError::Wait { what: what.to_owned(), limit });
            }
            if began.elapsed() > word_due {
                let (waited, limit) = (word_due.as_secs(), limit.as_secs());
                tracing::info!("Still waiting for Milvus: {what} ({waited} s of at most {limit})");
                word_due += WORD_EVERY;
            }
            let pause = began.elapsed() / 64;
            tokio::time::sleep(pause.clamp(SOON, Duration::from_secs(1))).await;
        }
        Ok(())
    }
}
