//! Renewing the marks of a run at work, and noticing that one is lost.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::Taken;
use super::error::words_of;
use super::give_back::{AT_ONCE, Owned, give_back_later};
use super::{BEAT, Beat, Continuity, MarkStore, State};
use crate::error::Result;

/// The marks of a run, and what is known about them.
pub(super) struct Held {
    marks: Mutex<Vec<Owned>>,
    pub run: String,
    /// When all marks were seen to be this run's.
    pub seen: watch::Sender<Instant>,
    /// Why the run has to end: another one has a target.
    pub lost: OnceLock<String>,
    pub is_lost: CancellationToken,
    /// Ends the renewal. Held while marks are renewed.
    pub stop: CancellationToken,
    pub renewing: tokio::sync::Mutex<()>,
}

impl Held {
    /// Holds nothing yet, and renews what it will hold.
    pub(super) fn begin(run: String) -> Arc<Held> {
        let held = Arc::new(Held {
            marks: Mutex::default(),
            run,
            seen: watch::Sender::new(Instant::now()),
            lost: OnceLock::new(),
            is_lost: CancellationToken::new(),
            stop: CancellationToken::new(),
            renewing: tokio::sync::Mutex::default(),
        });
        tokio::spawn(renew(Arc::downgrade(&held), held.stop.clone()));
        held
    }

    /// The marks that it renews.
    pub(super) fn marks(&self) -> std::sync::MutexGuard<'_, Vec<Owned>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The marks, which are nobody's concern any more; none of those that another run has.
    pub(super) fn take_marks(&self) -> Vec<Owned> {
        let marks = std::mem::take(&mut *self.marks());
        if self.lost.get().is_some() { Vec::new() } else { marks }
    }

    /// Renews all marks; or says which one another run has.
    async fn renew_all(&self, count: u64) -> Result<Option<String>> {
        let marks = self.marks().clone();
        let mut renewals: Vec<BoxFuture<'_, Result<Option<String>>>> = Vec::new();
        for (store, taken) in marks {
            if taken.continuity != Continuity::Unmarked {
                renewals.push(Box::pin(async move { self.renew(&*store, &taken, count).await }));
            }
        }
        let mut renewals = stream::iter(renewals).buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some(renewed) = renewals.next().await {
            match renewed {
                Ok(None) => {}
                Ok(Some(why)) => return Ok(Some(why)),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    async fn renew(
        &self,
        store: &dyn MarkStore,
        taken: &Taken,
        count: u64,
    ) -> Result<Option<String>> {
        let there = store.list().await?;
        match there.last() {
            Some(top) if top.number == taken.number && top.mark.run == self.run => {}
            Some(top) => {
                let by = words_of(top);
                return Ok(Some(format!("{} was taken over by {by}", store.target())));
            }
            None => {
                return Ok(Some(format!(
                    "The mark of this run at {} was removed while it worked",
                    store.target()
                )));
            }
        }
        store.beat(taken.number, &Beat::now(&self.run, count, State::Working)).await?;
        Ok(None)
    }
}

impl Drop for Held {
    /// A plan that was given up before it was carried out: nothing was changed.
    fn drop(&mut self) {
        self.stop.cancel();
        let (marks, run) = (self.take_marks(), std::mem::take(&mut self.run));
        give_back_later(run, marks);
    }
}

/// Renews the marks for as long as the run works.
async fn renew(held: Weak<Held>, stop: CancellationToken) {
    for count in 1.. {
        let Some(held) = held.upgrade() else { return };
        let asked = Instant::now();
        let renewed = {
            let _resting = held.renewing.lock().await;
            if stop.is_cancelled() {
                return;
            }
            held.renew_all(count).await
        };
        match renewed {
            Ok(None) => {
                held.seen.send_replace(asked);
            }
            Ok(Some(why)) => {
                tracing::error!("{why}");
                let _ = held.lost.set(why);
                held.is_lost.cancel();
                held.seen.send_replace(asked);
                return;
            }
            Err(error) => tracing::warn!("The mark of a target could not be renewed: {error}"),
        }
        drop(held);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}
