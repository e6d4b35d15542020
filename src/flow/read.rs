//! Reader threads, and the door from them to the async side.
//!
//! Blocking readers (HDF5, memory maps, files) run on threads of their own: a fixed pool, fed over
//! a crossbeam channel. Each job pushes its batches into a bounded tokio channel with blocking
//! sends; the async side never blocks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::flow::{Batch, BatchStream, MemoryBudget, Meter, OnBadRow, Permit, mark};
use crate::table::{Misfit, Place};

/// Batches that wait between a reader and its worker. One, so that a reader works ahead while its
/// worker writes; the memory budget bounds the rest.
pub(super) const READ_AHEAD: usize = 1;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed pool of threads for blocking readers. Cloning shares it; the threads end when the last
/// clone is gone.
#[derive(Debug, Clone)]
pub struct ReaderThreads {
    jobs: crossbeam_channel::Sender<Job>,
}

impl ReaderThreads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when the system refuses a thread.
    pub fn start(count: usize) -> Result<Self> {
        let (jobs, queue) = crossbeam_channel::unbounded::<Job>();
        for n in 0..count.max(1) {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("reader-{n}"))
                .spawn(move || queue.iter().for_each(|job| job()))
                .map_err(|error| Error::internal("Cannot start a reader thread").because(error))?;
        }
        Ok(ReaderThreads { jobs })
    }

    fn submit(&self, job: Job) {
        // The receiving threads live as long as this sender, so the send can't fail.
        let _ = self.jobs.send(job);
    }
}

/// How large batches should be.
#[derive(Debug, Clone, Copy)]
pub struct BatchSize {
    /// Upper bound in rows.
    pub rows: usize,
    /// Upper bound in bytes; a single row may be larger.
    pub bytes: usize,
}

impl BatchSize {
    /// Rows that a batch of rows of `row_bytes` may hold; at least one.
    pub fn rows_of(self, row_bytes: usize) -> usize {
        (self.bytes / row_bytes.max(1)).clamp(1, self.rows.max(1))
    }
}

/// What a source needs to open a split: memory, threads, batch size, cancellation, counters.
#[derive(Debug, Clone)]
pub struct ReadContext {
    /// The run's memory budget.
    pub budget: MemoryBudget,
    /// How large batches should be.
    pub batch_size: BatchSize,
    /// Threads for blocking readers.
    pub threads: ReaderThreads,
    /// Fires when reading must end.
    pub cancel: CancellationToken,
    /// The table's counters.
    pub meter: Arc<Meter>,
    /// What happens to a row that its columns can't hold: it is an error, or comes marked
    /// ([`Place::misfits`]).
    pub on_bad_row: OnBadRow,
}

impl ReadContext {
    /// Starts `threads` reader threads, with a cancellation token and counters of its own. Bad
    /// rows are errors.
    ///
    /// # Errors
    /// As [`ReaderThreads::start`].
    pub fn new(budget: MemoryBudget, batch_size: BatchSize, threads: usize) -> Result<Self> {
        Ok(ReadContext {
            budget,
            batch_size,
            threads: ReaderThreads::start(threads)?,
            cancel: CancellationToken::new(),
            meter: Arc::default(),
            on_bad_row: OnBadRow::Fail,
        })
    }

    /// Runs a blocking reader on a reader thread; the stream yields what it sends.
    ///
    /// `place` is where the split starts to be read. The reader ends early, with the error that
    /// [`Outlet`]'s methods return, when the stream is dropped or the run is cancelled. A panic of
    /// the reader becomes an error of the stream.
    pub fn spawn_blocking<F>(&self, place: Place, read: F) -> BatchStream
    where
        F: FnOnce(&mut Outlet) -> Result<()> + Send + 'static,
    {
        let (door, batches) = mpsc::channel(READ_AHEAD);
        let mut outlet = Outlet {
            door,
            place,
            runtime: Handle::current(),
            budget: self.budget.clone(),
            cancel: self.cancel.clone(),
            meter: Arc::clone(&self.meter),
            on_bad_row: self.on_bad_row,
            busy_since: Instant::now(),
        };
        self.threads.submit(Box::new(move || {
            outlet.busy_since = Instant::now();
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&mut outlet)));
            outlet.meter.reading.add_since(outlet.busy_since);
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(panic) => Error::panicked("The reader", &*panic),
            };
            let _ = outlet.door.blocking_send(Err(error.at(&outlet.place)));
        }));
        Box::pin(tokio_stream::wrappers::ReceiverStream::new(batches))
    }
}

/// A blocking reader's way out: memory first, then batches.
#[derive(Debug)]
pub struct Outlet {
    door: mpsc::Sender<Result<Batch>>,
    place: Place,
    runtime: Handle,
    budget: MemoryBudget,
    cancel: CancellationToken,
    meter: Arc<Meter>,
    on_bad_row: OnBadRow,
    busy_since: Instant,
}

impl Outlet {
    /// Waits for memory. Call it before allocating a batch.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::error::Kind::Interrupted) when nobody wants the rows any more;
    /// pass it on.
    pub fn reserve(&mut self, bytes: usize) -> Result<Permit> {
        let waiting_since = Instant::now();
        self.meter.reading.add_since(self.busy_since);
        let door = self.door.clone();
        let permit = self.runtime.block_on(async {
            tokio::select! {
                () = door.closed() => Err(Error::interrupted()),
                permit = self.budget.reserve(bytes as u64, &self.cancel) => permit,
            }
        });
        self.meter.waiting_for_target.add_since(waiting_since);
        self.busy_since = Instant::now();
        permit
    }

    /// Hands a batch on; waits while the worker is behind.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::error::Kind::Interrupted) when nobody wants the rows any more;
    /// pass it on.
    pub fn send(&mut self, rows: RecordBatch, permit: Permit) -> Result<()> {
        self.send_marked(rows, permit, BTreeMap::new())
    }

    /// The same with rows that their columns can't hold, by their numbers within the batch. Any other
    /// values stand in their places.
    ///
    /// # Errors
    /// As [`send`](Self::send); and the first of these rows, where such rows stop the run.
    pub fn send_marked(
        &mut self,
        rows: RecordBatch,
        permit: Permit,
        misfits: BTreeMap<usize, Misfit>,
    ) -> Result<()> {
        let mut place = self.place.clone();
        mark(&mut place, &rows, misfits, self.on_bad_row)?;
        self.place.advance(rows.num_rows() as u64);
        let waiting_since = Instant::now();
        self.meter.reading.add_since(self.busy_since);
        let batch = Batch { rows, place, permit };
        let sent = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Error::interrupted()),
                sent = self.door.send(Ok(batch)) => sent.map_err(|_| Error::interrupted()),
            }
        });
        self.meter.waiting_for_target.add_since(waiting_since);
        self.busy_since = Instant::now();
        sent
    }

    /// The place of the next row to be sent; for error messages.
    pub fn place(&self) -> &Place {
        &self.place
    }
}
