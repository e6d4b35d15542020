//! Rows that get new ids. Nothing but their number tells whether rows are there whose sending had no
//! answer, so one split is sent at a time, request by request: then it does tell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::count::CountBy;
use super::plan::Intent;
use super::resume::{Memo, Resumed};
use super::target::Found;
use crate::error::{Error, Result, Retry};
use crate::milvus::v2::Client;
use crate::milvus::v2::load::Loaded;
use crate::sink::server::Target;
use crate::sink::{Decision, TableToWrite};
use crate::words::{count, plural};

/// What is known of a target whose rows get new ids.
pub(super) struct NewIds {
    /// Held by the split that is sent.
    turn: Arc<Mutex<()>>,
    /// The turn of the split that is sent first, because an interrupted run may have sent rows of it.
    first: std::sync::Mutex<Option<(usize, OwnedMutexGuard<()>)>>,
    counting: Counting,
    /// Rows that it holds, as far as is known.
    held: AtomicU64,
    /// Of rows that an interrupted run may have sent, those that are there and have not come by yet.
    arrived: AtomicU64,
}

/// How the target is counted.
#[derive(Debug, Clone, Copy)]
struct Counting {
    by: CountBy,
    /// True when the number of rows grows by those that come, and by nothing else.
    exact: bool,
    /// True when rows of a request that was cut off are there from its first one on.
    in_order: bool,
}

/// What is to be done with rows that an interrupted run may have sent.
pub(super) enum Fate {
    /// So many of them, from the first one on, are there.
    There(usize),
    /// Some are there, and nobody knows which.
    Unknown,
}

impl NewIds {
    /// For a target that is counted as `memo` says, and to which an interrupted run may have sent
    /// rows.
    pub(super) async fn open(
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        memo: &Memo,
        resumed: Option<&Resumed>,
    ) -> Result<NewIds> {
        let target = intent.filled();
        let found = Found::ask(client, &target).await?;
        let by = memo.before.count_by;
        let lite = client.version().is_lite();
        let counting = Counting {
            by,
            // Statistics count rows that were deleted before, until the server tidies up.
            exact: lite || by == CountBy::Query || intent.decision != Decision::Append,
            // Rows of one request go to shards and to partitions by their keys, each by itself.
            in_order: lite
                || found
                    .collection
                    .as_ref()
                    .is_some_and(|made| made.shards == 1 && !made.has_partition_key()),
        };
        let known = memo.before.rows + resumed.map_or(0, |resumed| resumed.written);
        let arrived = match resumed.filter(|resumed| resumed.in_doubt > 0) {
            Some(resumed) => {
                let told = counting.told(client, &target, &found, (known, resumed)).await?;
                told.map_err(|why| cannot_tell(table, &target, resumed.in_doubt, &why))?
            }
            None => 0,
        };
        let splits_in_doubt = resumed.map_or(&[][..], |resumed| &resumed.splits_in_doubt);
        let turn: Arc<Mutex<()>> = Arc::default();
        let first = match splits_in_doubt {
            [number] => Some((*number, Arc::clone(&turn).lock_owned().await)),
            _ => None,
        };
        Ok(NewIds {
            turn,
            first: first.into(),
            counting,
            held: AtomicU64::new(known + arrived),
            arrived: AtomicU64::new(arrived),
        })
    }

    /// Waits until no other split is sent than the one with this number.
    pub(super) async fn turn(&self, number: usize) -> OwnedMutexGuard<()> {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|(of, _)| *of == number);
        match first {
            Some((_, turn)) => turn,
            None => Arc::clone(&self.turn).lock_owned().await,
        }
    }

    /// True when counting tells whether rows arrived.
    pub(super) fn can_tell(&self) -> bool {
        self.counting.exact
    }

    /// The server took so many rows.
    pub(super) fn took(&self, rows: u64) {
        self.held.fetch_add(rows, Ordering::Relaxed);
    }

    /// What became of the next `rows` of those that an interrupted run may have sent.
    pub(super) fn fate(&self, rows: usize) -> Fate {
        let arrived = self.arrived.load(Ordering::Relaxed);
        let there = usize::try_from(arrived).unwrap_or(usize::MAX).min(rows);
        if there > 0 && there < rows && !self.counting.in_order {
            return Fate::Unknown;
        }
        self.arrived.fetch_sub(there as u64, Ordering::Relaxed);
        Fate::There(there)
    }

    /// That all rows which an interrupted run had sent have come by again.
    pub(super) fn check_all_seen(&self, target: &Target) -> Result<()> {
        match self.arrived.load(Ordering::Relaxed) {
            0 => Ok(()),
            more => Err(Error::target(format!(
                "{target} holds {} more than the interrupted run can have sent",
                plural(more, "row")
            ))
            .help(REMEDY)),
        }
    }

    /// Whether the rows of a request are there whose answer did not come: all or none of them.
    pub(super) async fn arrived(
        &self,
        client: &Client,
        target: &Target,
        rows: u64,
    ) -> Result<bool> {
        let now = self.counting.count(client, target).await?;
        let held = self.held.load(Ordering::Relaxed);
        match now.checked_sub(held) {
            Some(0) => Ok(false),
            Some(more) if more == rows => {
                self.took(rows);
                Ok(true)
            }
            _ => Err(Error::target(format!(
                "{target} holds {}, and {} are known to be there",
                plural(now, "row"),
                count(held)
            ))),
        }
    }
}

impl Counting {
    /// How many of the rows that an interrupted run may have sent are there, beside those that are
    /// `known` to be; or why nobody can tell.
    async fn told(
        self,
        client: &Client,
        target: &Target,
        found: &Found,
        (known, resumed): (u64, &Resumed),
    ) -> Result<Result<u64, String>> {
        if !self.exact {
            return Ok(Err(
                "the server counts deleted rows, too, where nothing is loaded".to_owned()
            ));
        }
        let loaded = match self.by {
            CountBy::Query => {
                let (partitions, whole) = (found.scope(target), target.partition.is_none());
                client.load_missing(&target.collection, &partitions, whole).await?
            }
            _ => Loaded::Nothing,
        };
        let now = self.count(client, target).await;
        client.release(&target.collection, loaded).await?;
        let now = now?;
        let one_split = resumed.splits_in_doubt.len() == 1;
        Ok(match now.checked_sub(known) {
            Some(0) => Ok(0),
            // Which of them, where they do not come in order? They need not be the first ones.
            Some(more) if more < resumed.in_doubt && !self.in_order => Err(format!(
                "of {} that were sent, it took {}, and nobody knows which",
                plural(resumed.in_doubt, "row"),
                count(more)
            )),
            Some(more) if more <= resumed.in_doubt && one_split => Ok(more),
            _ => Err(format!(
                "it holds {}, {} before and {} by that run",
                plural(now, "row"),
                count(known.saturating_sub(resumed.written)),
                count(resumed.written)
            )),
        })
    }

    async fn count(self, client: &Client, target: &Target) -> Result<u64> {
        if self.by != CountBy::Query && !client.version().is_lite() {
            // The first one waits for all requests that came before it; what these brought may be
            // left to the second.
            client.flush(&target.collection).await?;
            client.flush(&target.collection).await?;
        }
        self.by.count(client, target).await
    }
}

const REMEDY: &str = "something else may have written to it: compare the two, then begin anew with --restart, into an empty target or with mode: overwrite";

fn cannot_tell(table: &TableToWrite, target: &Target, rows: u64, why: &str) -> Error {
    Error::target(format!(
        "{} of {} may be in {target} or not: the interrupted run had sent them, and with keep_ids: false only the number of rows could tell; but {why}",
        plural(rows, "row"),
        table.name
    ))
    .help(REMEDY)
}

/// Adds to an error of sending rows that they may have arrived all the same.
pub(super) fn in_doubt(error: Error, target: &Target, rows: usize) -> Error {
    error.retry(Retry::Ambiguous).help(format!(
        "{} may be in {target} or not, and sending them again could double them: with keep_ids: false only the number of rows tells, where it is exact and nothing else writes. Compare the two, then begin anew with --restart, into an empty target or with mode: overwrite",
        plural(rows as u64, "row")
    ))
}
