//! The marks of a run at work: they are renewed, and a lost one stops the run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::claim::Taken;
use super::error::words_of;
use super::{BEAT, Beat, Claim, Continuity, Created, MarkStore, State, UNSURE};
use crate::error::{Error, Result};

/// All marks of a run. Cloning shares them.
#[derive(Clone, Default)]
pub struct Hold(Option<Arc<Held>>);

struct Held {
    marks: Vec<(Arc<dyn MarkStore>, Taken)>,
    run: String,
    /// When all marks were seen to be this run's.
    seen: watch::Sender<Instant>,
    /// Why the run has to end: another one has a target.
    lost: OnceLock<String>,
    renewing: OnceLock<JoinHandle<()>>,
}

impl Hold {
    /// Holds nothing: for targets that nobody else can reach, and for tests.
    pub fn none() -> Hold {
        Hold(None)
    }

    /// Takes the marks of all these targets, or none of them, and begins to renew them.
    ///
    /// # Errors
    /// As [`Claim`]: when another run has one of them, and when a target can't be asked.
    pub async fn take(stores: Vec<Arc<dyn MarkStore>>, claim: &Claim) -> Result<Hold> {
        // In one order, so that of two runs that want the same targets one gets them all.
        let stores: BTreeMap<_, _> =
            stores.into_iter().map(|store| (store.target(), store)).collect();
        let mut marks: Vec<(Arc<dyn MarkStore>, Taken)> = Vec::new();
        for store in stores.into_values() {
            match claim.take(&*store).await {
                Ok(taken) => marks.push((store, taken)),
                Err(error) => {
                    for (store, taken) in &marks {
                        give_back(&**store, taken, End::Untouched).await;
                    }
                    return Err(error);
                }
            }
        }
        let run = claim.mark.run.clone();
        let (seen, lost) = (watch::Sender::new(Instant::now()), OnceLock::new());
        let held = Arc::new(Held { marks, run, seen, lost, renewing: OnceLock::new() });
        let renewing = tokio::spawn(renew(Arc::clone(&held)));
        let _ = held.renewing.set(renewing);
        Ok(Hold(Some(held)))
    }

    /// Waits until it is certain that the targets are still this run's. Costs nothing as long as the
    /// marks are renewed.
    ///
    /// # Errors
    /// When another run has taken one of them over.
    pub async fn confirm(&self) -> Result<()> {
        let Some(held) = &self.0 else { return Ok(()) };
        loop {
            if let Some(why) = held.lost.get() {
                return Err(Error::target(why.clone())
                    .help("let the other run end; then start again with --restart"));
            }
            let mut seen = held.seen.subscribe();
            if seen.borrow_and_update().elapsed() < UNSURE {
                return Ok(());
            }
            let _ = seen.changed().await;
        }
    }

    /// Targets that this run, which resumes an earlier attempt, has not held all the time.
    pub fn broken(&self) -> Vec<String> {
        let marks = self.0.iter().flat_map(|held| &held.marks);
        let broken =
            |taken: &Taken| matches!(taken.continuity, Continuity::New | Continuity::TakenOver);
        marks.filter(|(_, taken)| broken(taken)).map(|(store, _)| store.target()).collect()
    }

    /// Ends the hold: the marks go, stay, or are given back to whom they were taken from.
    pub async fn end(self, how: End) {
        let Some(held) = self.0 else { return };
        if let Some(renewing) = held.renewing.get() {
            renewing.abort();
        }
        if held.lost.get().is_some() {
            return;
        }
        for (store, taken) in &held.marks {
            give_back(&**store, taken, how).await;
        }
    }
}

/// How a run that held targets ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything has moved: nobody has to come back.
    Done,
    /// It changed nothing: a mark that it took from another run is that run's again.
    Untouched,
    /// It may be resumed: the marks stay, so that no other run comes between.
    Unfinished,
}

async fn give_back(store: &dyn MarkStore, taken: &Taken, how: End) {
    let number = taken.number;
    let left = Beat::now(u64::MAX, State::Left);
    let given = async {
        match (how, taken.continuity, &taken.previous) {
            (_, Continuity::Unmarked, _) => Ok(()),
            (End::Unfinished, ..) => store.beat(number, left).await,
            (End::Untouched, Continuity::TakenOver, Some(previous)) => {
                let next = number.saturating_add(1);
                if store.create(next, previous).await? == Created::Yes {
                    store.beat(next, left).await?;
                }
                store.remove(number).await
            }
            (End::Done | End::Untouched, ..) => store.remove(number).await,
        }
    };
    if let Err(error) = given.await {
        tracing::warn!("The mark of {} stays as it is: {error}", store.target());
    }
}

/// Renews the marks for as long as the run works.
async fn renew(held: Arc<Held>) {
    for count in 1.. {
        let asked = Instant::now();
        match held.renew_all(count).await {
            Ok(None) => {
                held.seen.send_replace(asked);
            }
            Ok(Some(why)) => {
                tracing::error!("{why}");
                let _ = held.lost.set(why);
                held.seen.send_replace(asked);
                return;
            }
            Err(error) => tracing::warn!("The mark of a target could not be renewed: {error}"),
        }
        tokio::time::sleep(BEAT).await;
    }
}

impl Held {
    /// Renews all marks; or says which one another run has.
    async fn renew_all(&self, count: u64) -> Result<Option<String>> {
        for (store, taken) in &self.marks {
            if taken.continuity == Continuity::Unmarked {
                continue;
            }
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
            store.beat(taken.number, Beat::now(count, State::Working)).await?;
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks = self.0.iter().flat_map(|held| &held.marks);
        f.debug_list().entries(marks.map(|(store, _)| store.target())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FolderMarks, Mark};
    use super::*;
    use crate::error::Kind;
    use crate::store::Place;

    fn claim(run: &str) -> Claim {
        Claim { mark: Mark::of(run, "made up"), own: Vec::new(), take_over: true }
    }

    fn stores(dir: &tempfile::TempDir, names: &[&str]) -> Vec<Arc<dyn MarkStore>> {
        let store = |name: &&str| {
            Arc::new(FolderMarks::of(Place::Local(dir.path().join(name)))) as Arc<dyn MarkStore>
        };
        names.iter().map(store).collect()
    }

    #[tokio::test]
    async fn all_targets_are_taken_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let a = Hold::take(stores(&dir, &["t2"]), &claim("a")).await.unwrap();
        let error = Hold::take(stores(&dir, &["t1", "t2"]), &claim("b")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Held);
        a.end(End::Done).await;
        let c = Hold::take(stores(&dir, &["t1", "t2"]), &claim("c")).await.unwrap();
        assert_eq!(c.broken().len(), 2);
        c.confirm().await.unwrap();
        c.end(End::Unfinished).await;
        // A run that ended and is not finished keeps its targets, until they are taken over.
        let again = Claim { own: vec!["c".to_owned()], ..claim("c") };
        let again = Hold::take(stores(&dir, &["t1", "t2"]), &again).await.unwrap();
        assert!(again.broken().is_empty());
        again.end(End::Unfinished).await;
        // A run that took one over and came to nothing gives it back.
        let d = Hold::take(stores(&dir, &["t1"]), &claim("d")).await.unwrap();
        d.end(End::Untouched).await;
        let t1 = stores(&dir, &["t1"]).remove(0).list().await.unwrap();
        assert_eq!((t1.len(), &*t1[0].mark.run), (1, "c"));
        assert!(t1[0].was_left());
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_was_passed_ends() {
        let dir = tempfile::tempdir().unwrap();
        let store = stores(&dir, &["t"]);
        let hold = Hold::take(store.clone(), &claim("a")).await.unwrap();
        hold.confirm().await.unwrap();
        store[0].create(2, &claim("b").mark).await.unwrap();
        let lost = hold.0.as_ref().unwrap();
        while lost.lost.get().is_none() {
            tokio::time::sleep(BEAT).await;
        }
        let error = hold.confirm().await.unwrap_err();
        assert!(error.to_string().contains("taken over by run b"), "{error}");
    }
}
