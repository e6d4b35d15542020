//! The marks of a run at work: they are renewed, and a lost one stops the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::{Taken, Watched};
use super::error::words_of;
use super::{BEAT, Beat, Claim, Continuity, Created, MarkStore, State, UNSURE, held};
use crate::error::{Error, Result};

/// Marks that are taken care of at the same time.
const AT_ONCE: usize = 16;
/// How long it may take to give marks back: the server may be what the run ended by.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(10);
/// How long a run waits for a sign that its targets are still its own.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// All marks of a run. Cloning shares them. Where none of the clones is ended, they are given back as
/// those of a run that changed nothing.
#[derive(Clone, Default)]
pub struct Hold(Option<Arc<Held>>);

/// A target's mark.
type Owned = (Arc<dyn MarkStore>, Taken);

struct Held {
    marks: Mutex<Vec<Owned>>,
    run: String,
    /// When all marks were seen to be this run's.
    seen: watch::Sender<Instant>,
    /// Why the run has to end: another one has a target.
    lost: OnceLock<String>,
    is_lost: CancellationToken,
    /// Ends the renewal. Held while marks are renewed.
    stop: CancellationToken,
    renewing: tokio::sync::Mutex<()>,
}

impl Hold {
    /// Holds nothing: for targets that nobody else can reach, and for tests.
    pub fn none() -> Hold {
        Hold(None)
    }

    /// Takes the marks of all these targets, or none of them, and renews them from then on.
    ///
    /// # Errors
    /// As [`Claim`]: when another run has one of them, and when a target can't be asked.
    pub async fn take(stores: Vec<(Arc<dyn MarkStore>, Claim)>) -> Result<Hold> {
        let Some((_, claim)) = stores.first() else { return Ok(Hold::none()) };
        let run = claim.mark.run.clone();
        // In one order, so that of two runs that want the same targets one gets them all.
        let stores: BTreeMap<_, _> =
            stores.into_iter().map(|(store, claim)| (store.target(), (store, claim))).collect();
        let watched = watch_all(&stores).await?;
        let held = Arc::new(Held {
            marks: Mutex::default(),
            run,
            seen: watch::Sender::new(Instant::now()),
            lost: OnceLock::new(),
            is_lost: CancellationToken::new(),
            stop: CancellationToken::new(),
            renewing: tokio::sync::Mutex::default(),
        });
        let hold = Hold(Some(Arc::clone(&held)));
        tokio::spawn(renew(Arc::downgrade(&held), held.stop.clone()));
        for (store, claim) in stores.into_values() {
            match claim.take(&*store, &watched).await {
                Ok(taken) => held.marks().push((store, taken)),
                Err(error) => {
                    hold.end(End::Untouched).await;
                    return Err(error);
                }
            }
        }
        Ok(hold)
    }

    /// Waits until it is certain that the targets are still this run's. Costs nothing as long as the
    /// marks are renewed.
    ///
    /// # Errors
    /// When another run has taken one of them over, or nobody can tell for ten minutes.
    pub async fn confirm(&self) -> Result<()> {
        let Some(held) = &self.0 else { return Ok(()) };
        let certain = async {
            let mut seen = held.seen.subscribe();
            loop {
                if let Some(why) = held.lost.get() {
                    return Err(Error::target(why.clone())
                        .help("let the other run end; then start again with --restart"));
                }
                if seen.borrow_and_update().elapsed() < UNSURE {
                    return Ok(());
                }
                let _ = seen.changed().await;
            }
        };
        tokio::time::timeout(GIVE_UP_AFTER, certain).await.unwrap_or_else(|_| {
            Err(Error::connect("No answer tells whether the targets are still this run's")
                .help("run the same command again when the target can be reached"))
        })
    }

    /// Waits until another run has taken a target over; for ever while none has.
    pub async fn lost(&self) {
        match &self.0 {
            Some(held) => held.is_lost.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// True when another run has taken a target over.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.lost.get().is_some())
    }

    /// True when a target could not be marked.
    pub fn is_unmarked(&self) -> bool {
        let unmarked = |(_, taken): &Owned| taken.continuity == Continuity::Unmarked;
        self.0.as_ref().is_some_and(|held| held.marks().iter().any(unmarked))
    }

    /// Ends the hold: the marks go, stay, or are given back to whom they were taken from.
    pub async fn end(self, how: End) {
        let Some(held) = self.0 else { return };
        held.stop.cancel();
        let ended = async {
            // What is just being renewed must not come after this.
            let _resting = held.renewing.lock().await;
            give_all_back(&held.run, held.take_marks(), how).await;
        };
        if tokio::time::timeout(GIVE_BACK_WITHIN, ended).await.is_err() {
            tracing::warn!("Marks stay at targets that did not answer: the next run takes them");
        }
    }
}

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

/// Watches the marks of which nothing else tells whether their runs are at work, all at the same time.
async fn watch_all(stores: &BTreeMap<String, (Arc<dyn MarkStore>, Claim)>) -> Result<Watched> {
    let mut watched = Watched::new();
    for (target, (store, claim)) in stores {
        if let Some(top) = store.list().await?.pop().filter(|top| claim.has_to_watch(top)) {
            watched.insert(target.clone(), top);
        }
    }
    if watched.is_empty() {
        return Ok(watched);
    }
    let wait = BEAT * 2 + Duration::from_secs(2);
    tracing::info!(
        "Watching for {} s whether other runs renew their marks at {} of the targets",
        wait.as_secs(),
        watched.len()
    );
    tokio::time::sleep(wait).await;
    for (target, before) in &watched {
        let Some((store, _)) = stores.get(target) else { continue };
        if let Some(now) = store.list().await?.last().filter(|now| *now != before) {
            return Err(held(target, now));
        }
    }
    Ok(watched)
}

async fn give_all_back(run: &str, marks: Vec<Owned>, how: End) {
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

impl Held {
    fn marks(&self) -> std::sync::MutexGuard<'_, Vec<Owned>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The marks, which are nobody's concern any more; none of those that another run has.
    fn take_marks(&self) -> Vec<Owned> {
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
        if let (false, Ok(runtime)) = (marks.is_empty(), tokio::runtime::Handle::try_current()) {
            let pending = Pending::begin();
            runtime.spawn(async move {
                give_all_back(&run, marks, End::Untouched).await;
                drop(pending);
            });
        }
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

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks: Vec<_> = self.0.iter().flat_map(|held| held.marks().clone()).collect();
        f.debug_list().entries(marks.iter().map(|(store, _)| store.target())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FolderMarks, Mark};
    use super::*;
    use crate::error::Kind;
    use crate::store::Place;

    fn claim(run: &str) -> Claim {
        Claim { mark: Mark::of(run, "made up"), take_over: true, ..Claim::default() }
    }

    fn store(dir: &tempfile::TempDir, name: &str) -> Arc<dyn MarkStore> {
        Arc::new(FolderMarks::of(Place::Local(dir.path().join(name))))
    }

    async fn take(dir: &tempfile::TempDir, names: &[&str], claim: Claim) -> Result<Hold> {
        let stores = names.iter().map(|name| (store(dir, name), claim.clone()));
        Hold::take(stores.collect()).await
    }

    #[tokio::test]
    async fn all_targets_are_taken_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let a = take(&dir, &["t2"], claim("a")).await.unwrap();
        let error = take(&dir, &["t1", "t2"], claim("b")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Held);
        a.end(End::Done).await;
        let c = take(&dir, &["t1", "t2"], claim("c")).await.unwrap();
        c.confirm().await.unwrap();
        c.end(End::Unfinished).await;
        // A run that ended and is not finished keeps its targets, until they are taken over.
        let kept = Claim { must_be_kept: true, ..claim("c") };
        take(&dir, &["t1", "t2"], kept.clone()).await.unwrap().end(End::Unfinished).await;
        // A run that took one over and came to nothing gives it back, however it ended.
        let d = take(&dir, &["t1"], claim("d")).await.unwrap();
        d.end(End::Untouched).await;
        drop(take(&dir, &["t1"], claim("e")).await.unwrap());
        all_given_back().await;
        let t1 = store(&dir, "t1").list().await.unwrap();
        assert_eq!((t1.len(), &*t1[0].mark.run), (1, "c"));
        assert!(t1[0].was_left());
        // An attempt of its own that comes to nothing takes nothing away.
        let f = take(&dir, &["t2"], claim("f")).await.unwrap();
        assert!(take(&dir, &["t1", "t2"], kept.clone()).await.is_err());
        f.end(End::Untouched).await;
        take(&dir, &["t1", "t2"], kept).await.unwrap().end(End::Done).await;
        assert!(store(&dir, "t1").list().await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_was_passed_ends() {
        let dir = tempfile::tempdir().unwrap();
        let hold = take(&dir, &["t"], claim("a")).await.unwrap();
        hold.confirm().await.unwrap();
        store(&dir, "t").create(2, &claim("b").mark).await.unwrap();
        hold.lost().await;
        let error = hold.confirm().await.unwrap_err();
        assert!(error.to_string().contains("taken over by run b"), "{error}");
    }
}
