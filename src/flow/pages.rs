//! Reading that waits for a server instead of blocking a thread.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::flow::read::READ_AHEAD;
use crate::flow::{Batch, BatchStream, ReadContext};
use crate::table::Place;

/// The rows of a split, a page at a time.
#[async_trait]
pub trait Pages: Send {
    /// Bytes that the next page will take, about. Memory is reserved for them before it is asked
    /// for.
    fn next_bytes(&self) -> usize;

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    async fn next_page(&mut self) -> Result<Option<RecordBatch>>;

    /// How many requests were sent again since this was last asked.
    fn take_retries(&mut self) -> u64;
}

impl ReadContext {
    /// Reads pages in a task of its own, one ahead of whoever takes them; the stream yields them.
    ///
    /// `place` is where the split starts to be read. The task ends when the stream is dropped or
    /// the run is cancelled, in the midst of a page too. A panic becomes an error of the stream.
    pub fn spawn_pages(&self, place: Place, pages: impl Pages + 'static) -> BatchStream {
        let (door, batches) = mpsc::channel(READ_AHEAD);
        let cx = self.clone();
        tokio::spawn(async move {
            let mut place = place;
            let reading = AssertUnwindSafe(cx.read_pages(&mut place, pages, &door)).catch_unwind();
            let outcome = tokio::select! {
                biased;
                () = door.closed() => return,
                () = cx.cancel.cancelled() => Ok(Err(Error::interrupted())),
                outcome = reading => outcome,
            };
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(panic) => Error::panicked("The reader", &*panic),
            };
            let _ = door.send(Err(error.at(&place))).await;
        });
        Box::pin(tokio_stream::wrappers::ReceiverStream::new(batches))
    }

    async fn read_pages(
        &self,
        place: &mut Place,
        mut pages: impl Pages,
        door: &mpsc::Sender<Result<Batch>>,
    ) -> Result<()> {
        loop {
            let waiting_since = Instant::now();
            let permit = self.budget.reserve(pages.next_bytes() as u64, &self.cancel).await?;
            self.meter.waiting_for_target.add_since(waiting_since);
            let reading_since = Instant::now();
            let page = pages.next_page().await;
            self.meter.reading.add_since(reading_since);
            self.meter.retries.add(pages.take_retries());
            let Some(rows) = page? else { return Ok(()) };
            let here = place.clone();
            place.advance(rows.num_rows() as u64);
            let waiting_since = Instant::now();
            let sent = door.send(Ok(Batch { rows, place: here, permit })).await;
            self.meter.waiting_for_target.add_since(waiting_since);
            sent.map_err(|_| Error::interrupted())?;
        }
    }
}
