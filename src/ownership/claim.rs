//! Taking a mark: who wins, and who may take it over.

use super::error::not_kept;
use super::watch::Watched;
use super::{Created, Mark, MarkStore, Placed, held};
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
    /// True when the target must have been the run's own all the time: it resumes, and nothing but
    /// counts tells what it has written there.
    pub must_be_kept: bool,
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
    /// [`Kind::Held`](crate::error::Kind::Held) when another run has it; when the run had to have it
    /// and has not; and when the target can't be asked.
    pub(super) async fn take(&self, store: &dyn MarkStore, watched: &Watched) -> Result<Taken> {
        let mut denied = None;
        for _ in 0..TRIES {
            let there = store.list().await?;
            let top = there.last();
            let (number, continuity) = match top {
                None => (1, Continuity::New),
                // It was taken by the same run under another spelling of the target.
                Some(top) if top.mark == self.mark && !top.was_left() => {
                    let (number, continuity) = (top.number, Continuity::Kept);
                    return Ok(Taken { number, continuity, previous: None });
                }
                Some(top) => {
                    let continuity = self.may_follow(&store.target(), top, watched)?;
                    (top.number.saturating_add(1), continuity)
                }
            };
            if self.must_be_kept && continuity != Continuity::Kept {
                return Err(not_kept(&store.target()));
            }
            let previous = top.map(|top| top.mark.clone());
            match store.create(number, &self.mark).await? {
                Created::No => continue,
                Created::Denied(words) => match denied.replace(words) {
                    // The mark that was in the way may be gone by now.
                    None => continue,
                    Some(words) => {
                        tracing::warn!(
                            "{} can't be marked, so another run that writes there is not noticed: {words}",
                            store.target()
                        );
                        let continuity = Continuity::Unmarked;
                        return Ok(Taken { number: 0, continuity, previous });
                    }
                },
                Created::Yes => {}
            }
            let now = store.list().await?;
            // A run that was slow may have created a number that has been passed.
            if let Some(higher) = now.last().filter(|top| top.number > number) {
                store.remove(number).await?;
                return Err(held(&store.target(), higher));
            }
            let is_here = now.last().is_some_and(|top| top.mark == self.mark);
            let below: Vec<_> = now.iter().filter(|placed| placed.number < number).collect();
            let known = |placed: &Placed| {
                there.iter().any(|t| t.number == placed.number && t.mark == placed.mark)
            };
            // Or all numbers were given back meanwhile, and another run began with the first one.
            if !is_here || !below.iter().all(|placed| known(placed)) {
                store.remove(number).await?;
                continue;
            }
            for passed in below {
                store.remove(passed.number).await?;
            }
            return Ok(Taken { number, continuity, previous });
        }
        Err(Error::held("Many runs want the same target at once").at(store.target()))
    }

    /// True for a mark of the run itself, or of one whose place it takes.
    fn is_own(&self, mark: &Mark) -> bool {
        !mark.run.is_empty() && (self.own.contains(&mark.run) || mark.run == self.mark.run)
    }

    /// True for a mark of which only watching tells whether its run is at work, because clocks and
    /// machines differ.
    pub(super) fn has_to_watch(&self, top: &Placed) -> bool {
        let alive = top.mark.process.is_alive();
        let here = top.mark.process == self.mark.process;
        let may = self.is_own(&top.mark) || self.take_over && top.looks_dead();
        may && !here && !top.was_left() && alive != Some(false)
    }

    /// That this claim may take the place of a mark.
    fn may_follow(&self, target: &str, top: &Placed, watched: &Watched) -> Result<Continuity> {
        let own = self.is_own(&top.mark);
        let may = match own {
            true => !self.has_to_watch(top) || watched.get(target) == Some(top),
            false => {
                let dead = !self.has_to_watch(top) || watched.get(target) == Some(top);
                self.take_over && top.looks_dead() && dead
            }
        };
        match (may, own) {
            (false, _) => Err(held(target, top)),
            (true, true) => Ok(Continuity::Kept),
            (true, false) => Ok(Continuity::TakenOver),
        }
    }
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

    async fn take(claim: &Claim, marks: &FolderMarks) -> Result<Taken> {
        claim.take(marks, &Watched::new()).await
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
                tokio::spawn(async move { take(&claim, &marks).await })
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
            take(&claim("dead"), &marks).await.unwrap();
            marks.beat(1, &Beat::now("dead", 1, State::Left)).await.unwrap();
            let all = (0..8).map(|n| {
                let (marks, claim) = (marks.clone(), claim(&format!("run{n}")));
                let claim = Claim { take_over: true, ..claim };
                tokio::spawn(async move { take(&claim, &marks).await })
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
        take(&claim("a"), &marks).await.unwrap();
        for take_over in [false, true] {
            let claim = Claim { take_over, ..claim("b") };
            let error = take(&claim, &marks).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Held);
            assert!(error.to_string().contains("run a"), "{error}");
        }
        // Its own mark, by whoever holds its journal.
        let again = Claim { own: vec!["a".to_owned()], ..claim("c") };
        assert_eq!(take(&again, &marks).await.unwrap().continuity, Continuity::Kept);
    }

    /// A run that is to resume finds no mark, or another run's: each time, and not only the first.
    #[tokio::test]
    async fn a_target_that_had_to_be_kept_and_was_not_is_refused_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let marks = marks(&dir);
        let resumed = Claim { must_be_kept: true, take_over: true, ..claim("a") };
        for _ in 0..2 {
            let error = take(&resumed, &marks).await.unwrap_err();
            assert!(error.to_string().contains("--restart"), "{error}");
            assert!(marks.list().await.unwrap().is_empty());
        }
        take(&claim("b"), &marks).await.unwrap();
        marks.beat(1, &Beat::now("b", 1, State::Left)).await.unwrap();
        for _ in 0..2 {
            assert!(take(&resumed, &marks).await.is_err());
            assert_eq!(marks.list().await.unwrap()[0].mark.run, "b");
        }
    }
}
