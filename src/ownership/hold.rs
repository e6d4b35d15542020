//! The marks of a run at work: all are taken or none, and the run asks here whether they are its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::give_back::{End, Owned, give_all_back};
use super::renew::Held;
use super::watch::watch_all;
use super::{Claim, Continuity, MarkStore, UNSURE};
use crate::error::{Error, Result};

/// How long a run waits for a sign that its targets are still its own.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// All marks of a run. Cloning shares them. Where none of the clones is ended, they are given back as
/// those of a run that changed nothing.
#[derive(Clone, Default)]
pub struct Hold(Option<Arc<Held>>);

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
        let held = Held::begin(run);
        let hold = Hold(Some(Arc::clone(&held)));
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
        if tokio::time::timeout(how.gives_back_within(), ended).await.is_err() {
            tracing::warn!("Marks stay at targets that did not answer: the next run takes them");
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks: Vec<_> = self.0.iter().flat_map(|held| held.marks().clone()).collect();
        f.debug_list().entries(marks.iter().map(|(store, _)| store.target())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::give_back::all_given_back;
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

    /// Sink and stage are one folder: that is refused, and nothing stays.
    #[tokio::test]
    async fn a_target_of_two_names_is_taken_once_and_given_back() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("u")).unwrap();
            let hold = take(&dir, &["t", "u/../t"], claim("a")).await.unwrap();
            assert_eq!(store(&dir, "t").list().await.unwrap().len(), 1);
            hold.end(End::Untouched).await;
            assert!(!dir.path().join("t").exists());
        }
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
