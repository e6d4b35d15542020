//! What becomes of the marks of a run that ended.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use tokio::sync::watch;

use super::claim::Taken;
use super::{Beat, Continuity, Created, MarkStore, State};
use crate::error::Result;

/// Marks that are taken care of at the same time.
pub(super) const AT_ONCE: usize = 16;
/// How long it may take to give marks back: the server may be what the run ended by.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(10);
/// The same after a run that has moved everything: its server answers, and a mark that stayed would keep others
/// away.
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// A target's mark.
pub(super) type Owned = (Arc<dyn MarkStore>, Taken);

/// How a run that held targets ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything has moved: nobody has to come back.
    Done,
    /// It changed nothing: a mark that it took from another run is that run's again, and one of its
    /// own earlier attempt stays.
    Untouched,
    /// It may be resumed: the marks stay, so that no other run comes between.
    Unfinished,
}

impl End {
    /// How long it may take to give marks back.
    pub(super) fn gives_back_within(self) -> Duration {
        match self {
            End::Done => DONE_WITHIN,
            End::Untouched | End::Unfinished => GIVE_BACK_WITHIN,
        }
    }
}

/// Removes marks, leaves them to whom may resume, or gives them back to whom they were taken from.
pub(super) async fn give_all_back(run: &str, marks: Vec<Owned>, how: End) {
    let mut all: Vec<BoxFuture<'_, ()>> = Vec::new();
    for (store, taken) in marks {
        all.push(Box::pin(async move {
            if let Err(error) = give_back(run, &*store, &taken, how).await {
                tracing::warn!("The mark of {} stays as it is: {error}", store.target());
            }
        }));
    }
    stream::iter(all).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn give_back(run: &str, store: &dyn MarkStore, taken: &Taken, how: End) -> Result<()> {
    let number = taken.number;
    let left = |run: &str| Beat::now(run, u64::MAX, State::Left);
    match (how, taken.continuity, &taken.previous) {
        (_, Continuity::Unmarked, _) => Ok(()),
        (End::Unfinished, ..) => store.beat(number, &left(run)).await,
        // That of the attempt that it was to resume.
        (End::Untouched, Continuity::Kept, Some(previous)) if previous.run == run => {
            store.beat(number, &left(run)).await
        }
        (End::Untouched, Continuity::TakenOver, Some(previous)) => {
            let next = number.saturating_add(1);
            if store.create(next, previous).await? == Created::Yes {
                store.beat(next, &left(&previous.run)).await?;
            }
            store.remove(number).await
        }
        (End::Done | End::Untouched, ..) => store.remove(number).await,
    }
}

/// Gives back the marks of a run that changed nothing, while the program does something else.
pub(super) fn give_back_later(run: String, marks: Vec<Owned>) {
    if let (false, Ok(runtime)) = (marks.is_empty(), tokio::runtime::Handle::try_current()) {
        let pending = Pending::begin();
        runtime.spawn(async move {
            give_all_back(&run, marks, End::Untouched).await;
            drop(pending);
        });
    }
}

/// Marks that are being given back, in the whole program.
static PENDING: OnceLock<watch::Sender<usize>> = OnceLock::new();

struct Pending;

impl Pending {
    fn begin() -> Pending {
        PENDING.get_or_init(watch::Sender::default).send_modify(|pending| *pending += 1);
        Pending
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        PENDING.get_or_init(watch::Sender::default).send_modify(|pending| *pending -= 1);
    }
}

/// Waits until marks of plans that were given up have been given back, and ten seconds at most.
pub async fn all_given_back() {
    let mut pending = PENDING.get_or_init(watch::Sender::default).subscribe();
    let none = pending.wait_for(|pending| *pending == 0);
    let _ = tokio::time::timeout(GIVE_BACK_WITHIN, none).await;
}
