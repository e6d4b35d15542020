//! Taking a mark: who wins, and who may take it over.

use std::time::Duration;

use super::{BEAT, Created, Mark, MarkStore, Placed, held};
use crate::error::{Error, Result};

/// How often a number that somebody else created first is followed by the next one.
const TRIES: u32 = 20;

/// Who wants a target.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// What its mark will say.
    pub mark: Mark,
    /// Ids of runs whose place it takes: the run that it resumes, and those that it knows to have
    /// ended because it holds their journal.
    pub own: Vec<String>,
    /// True to take the target from a run of any other kind that is dead.
    pub take_over: bool,
}

/// Whether a run has held a target since its earlier attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Nobody has marked it before, or whoever did has taken the mark away.
    New,
    /// An attempt of the same run, or an earlier run of the same journal, held it.
    Kept,
    /// Another run held it, and it was taken over from that.
    TakenOver,
    /// The account may not mark it.
    Unmarked,
}

/// A mark that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub number: u32,
    pub continuity: Continuity,
    /// The mark whose place it took.
    pub previous: Option<Mark>,
}

impl Claim {
    /// Takes the mark of a target.
    ///
    /// # Errors
    /// [`Kind::Held`](crate::error::Kind::Held) when another run has it, and when the target can't be
    /// asked.
    pub(super) async fn take(&self, store: &dyn MarkStore) -> Result<Taken> {
        for _ in 0..TRIES {
            let there = store.list().await?;
            let (number, continuity) = match there.last() {
                None => (1, Continuity::New),
                Some(top) => (top.number.saturating_add(1), self.may_follow(store, top).await?),
            };
            let previous = there.into_iter().last().map(|top| top.mark);
            match store.create(number, &self.mark).await? {
                Created::No => continue,
                Created::Denied(words) => {
                    tracing::warn!(
                        "{} can't be marked, so another run that writes there is not noticed: {words}",
                        store.target()
                    );
                    let continuity = Continuity::Unmarked;
                    return Ok(Taken { number: 0, continuity, previous });
                }
                Created::Yes => {}
            }
            // A run that was slow may have created a number that has been passed.
            let now = store.list().await?;
            if let Some(higher) = now.last().filter(|top| top.number > number) {
                store.remove(number).await?;
                return Err(held(&store.target(), higher));
            }
            for passed in now.iter().filter(|placed| placed.number < number) {
                store.remove(passed.number).await?;
            }
            return Ok(Taken { number, continuity, previous });
        }
        Err(Error::held("Many runs want the same target at once").at(store.target()))
    }

    /// That this claim may take the place of a mark.
    async fn may_follow(&self, store: &dyn MarkStore, top: &Placed) -> Result<Continuity> {
        let own = self.own.contains(&top.mark.run) || top.mark.run == self.mark.run;
        let continuity = if own { Continuity::Kept } else { Continuity::TakenOver };
        let alive = top.mark.process.is_alive();
        let here = top.mark.process == self.mark.process;
        // On the same machine it is known whether an earlier attempt has ended.
        if own && (top.was_left() || alive == Some(false) || here) {
            return Ok(continuity);
        }
        let may = match own {
            true => alive != Some(true),
            false => self.take_over && top.looks_dead(),
        };
        if !may {
            return Err(held(&store.target(), top));
        }
        // The clocks of two machines may differ: a holder that is alive shows it soon.
        if !top.was_left() && alive.is_none() && is_renewed(store, top).await? {
            return Err(held(&store.target(), top));
        }
        Ok(continuity)
    }
}

/// Waits for two beats, and says whether the mark changed meanwhile.
async fn is_renewed(store: &dyn MarkStore, top: &Placed) -> Result<bool> {
    let wait = BEAT * 2 + Duration::from_secs(2);
    tracing::info!(
        "Watching the mark of run {} at {} for {} s: its machine can't be asked whether it is at work",
        top.mark.run,
        store.target(),
        wait.as_secs()
    );
    tokio::time::sleep(wait).await;
    Ok(store.list().await?.last() != Some(top))
}

#[cfg(test)]
mod tests {
    use super::super::{Beat, FolderMarks, State};
    use super::*;
    use crate::error::Kind;
    use crate::store::Place;

    fn claim(run: &str) -> Claim {
        Claim { mark: Mark::of(run, "made up"), ..Claim::default() }
    }

    fn marks(dir: &tempfile::TempDir) -> FolderMarks {
        FolderMarks::of(Place::Local(dir.path().join("t")))
    }

    #[tokio::test]
    async fn one_of_many_claims_wins() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let marks = marks(&dir);
            let all = (0..8).map(|n| {
                let (marks, claim) = (marks.clone(), claim(&format!("run{n}")));
                tokio::spawn(async move { claim.take(&marks).await })
            });
            let mut won = 0;
            for outcome in futures::future::join_all(all).await {
                match outcome.unwrap() {
                    Ok(_) => won += 1,
                    Err(error) => assert_eq!(error.kind(), Kind::Held),
                }
            }
            assert_eq!(won, 1);
            for placed in marks.list().await.unwrap() {
                marks.remove(placed.number).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn one_of_many_take_overs_wins() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let marks = marks(&dir);
            claim("dead").take(&marks).await.unwrap();
            marks.beat(1, Beat::now(1, State::Left)).await.unwrap();
            let all = (0..8).map(|n| {
                let (marks, claim) = (marks.clone(), claim(&format!("run{n}")));
                let claim = Claim { take_over: true, ..claim };
                tokio::spawn(async move { claim.take(&marks).await })
            });
            let all = futures::future::join_all(all).await;
            let won = all.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
            assert_eq!(won, 1);
            let left = marks.list().await.unwrap();
            assert_eq!(left.len(), 1, "{left:?}");
            marks.remove(left[0].number).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_run_that_is_at_work_is_not_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let marks = marks(&dir);
        claim("a").take(&marks).await.unwrap();
        for take_over in [false, true] {
            let error = Claim { take_over, ..claim("b") }.take(&marks).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Held);
            assert!(error.to_string().contains("run a"), "{error}");
        }
        // Its own mark, by whoever holds its journal.
        let again = Claim { own: vec!["a".to_owned()], ..claim("c") };
        assert_eq!(again.take(&marks).await.unwrap().continuity, Continuity::Kept);
    }
}
