//! The journal's place on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::identity::Identity;
use super::lock::Lock;
use super::progress::{Change, Ended, TargetProgress};
use super::saved::{SavedPlan, differs};
use super::store::{Head, Store, damaged};
use super::writer::Journal;
use crate::error::{Error, Result};
use crate::flow::{Pipeline, Plan, blocking};
use crate::ownership::{Claim, Mark, new_run_id};
use crate::private;
use crate::store::sync_folder;

/// A run that a journal tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierRun {
    /// When it was begun (RFC 3339, UTC).
    pub started: String,
    /// How the last attempt at it ended; none when it was cut off, or is at work.
    pub ended: Option<Ended>,
    /// What was planned.
    pub plan: SavedPlan,
    /// How far each target is.
    pub targets: Vec<TargetProgress>,
}

/// What there is to say of the last run, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The run.
    pub run: EarlierRun,
    /// True while it is at work.
    pub at_work: bool,
}

/// The journal of a pipeline, locked: no other run of it can be at work.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    lock: Lock,
    earlier: Option<EarlierRun>,
    /// The run that works with it now: the one that is resumed, or a new one.
    run: String,
    /// Runs that are known to have ended, because nobody else has the lock.
    ended: Vec<String>,
}

impl JournalFile {
    /// Locks the journal of `identity` in `state_dir` and reads what an earlier run left in it.
    ///
    /// # Errors
    /// When another run is at work, the journal is damaged, or the disk refuses.
    pub fn lock(state_dir: &Path, identity: &Identity) -> Result<JournalFile> {
        private::state_folder(state_dir)?;
        let path = journal_path(state_dir, identity);
        let lock = Lock::take(&lock_path(&path))?;
        let last = read(&path)?;
        let ended = last.iter().map(|last| last.plan.run.clone()).collect();
        let earlier = last.filter(EarlierRun::is_resumable);
        JournalFile::locked(path, lock, earlier, ended)
    }

    fn locked(
        path: PathBuf,
        mut lock: Lock,
        earlier: Option<EarlierRun>,
        mut ended: Vec<String>,
    ) -> Result<JournalFile> {
        ended.extend_from_slice(lock.runs());
        let run = earlier.as_ref().map_or_else(new_run_id, |earlier| earlier.plan.run.clone());
        lock.name_run(&lock_path(&path), &run)?;
        Ok(JournalFile { path, lock, earlier, run, ended })
    }

    /// The same, with whatever an earlier run left forgotten.
    ///
    /// # Errors
    /// When another run is at work, or the disk refuses.
    pub fn restart(state_dir: &Path, identity: &Identity) -> Result<JournalFile> {
        private::state_folder(state_dir)?;
        let path = journal_path(state_dir, identity);
        let lock = Lock::take(&lock_path(&path))?;
        let last = read(&path).ok().flatten();
        let ended = last.into_iter().map(|last| last.plan.run).collect();
        match path.exists().then(|| Store::open(&path)) {
            None => {}
            Some(Ok(Some(mut store))) => store.begin_anew(None)?,
            // Whatever it is, it is of no use.
            _ => remove(&path)?,
        }
        JournalFile::locked(path, lock, None, ended)
    }

    /// The run that works with it now.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// What marks at the targets are taken with: runs of this journal have ended. `source` is what
    /// is moved, for people.
    pub fn claim(&self, source: &str, take_over: bool) -> Claim {
        let (mark, own) = (Mark::of(&self.run, source), self.ended.clone());
        Claim { mark, own, take_over, must_be_kept: false }
    }

    /// The run to go on with, if there is one.
    pub fn earlier(&self) -> Option<&EarlierRun> {
        self.earlier.as_ref()
    }

    /// Begins to write: `plan` was made new, or read from this journal.
    ///
    /// # Errors
    /// When the source can't be looked at, or the disk refuses.
    pub async fn begin(self, pipeline: &Pipeline, plan: &Plan) -> Result<Journal> {
        let saved = match &self.earlier {
            Some(_) => None,
            None => {
                let saved = SavedPlan::of(&*pipeline.source, &pipeline.identity, plan).await?;
                Some(SavedPlan { run: self.run.clone(), ..saved })
            }
        };
        let progress = plan.targets.iter().map(|target| target.progress.clone()).collect();
        blocking(move || self.open(saved, progress)).await
    }

    fn open(self, saved: Option<SavedPlan>, progress: Vec<TargetProgress>) -> Result<Journal> {
        let store = match saved {
            None => {
                let mut store = Store::open(&self.path)?
                    .ok_or_else(|| Error::internal("The journal went away while it was read"))?;
                store.reopen()?;
                // What the target lost since is not finished any more.
                let splits = progress.iter().enumerate().flat_map(|(t, target)| {
                    target.splits.iter().enumerate().map(move |(s, p)| Change::Split(t, s, *p))
                });
                store.write(splits.collect::<Vec<_>>().iter())?;
                store
            }
            Some(plan) => {
                let plan = serde_json::to_string(&plan).map_err(|error| {
                    Error::internal("The plan can't be written down").because(error)
                })?;
                let there = if self.path.exists() { Store::open(&self.path)? } else { None };
                let mut store = there.map_or_else(|| create(&self.path), Ok)?;
                store.begin_anew(Some(&Head { started: now(), plan, ended: None }))?;
                store
            }
        };
        Journal::start(store, self.path, self.lock)
    }
}

impl EarlierRun {
    /// What the journal of `identity` tells of the last run, without a look at source or target.
    ///
    /// # Errors
    /// When it is damaged, or can't be read.
    pub fn find(state_dir: &Path, identity: &Identity) -> Result<Option<Standing>> {
        private::check_state_folder(state_dir)?;
        let path = journal_path(state_dir, identity);
        let at_work = Lock::is_taken(&lock_path(&path))?;
        Ok(read(&path)?.map(|run| Standing { run, at_work }))
    }

    /// True when it did not move everything, and came as far as to touch a target.
    pub fn is_resumable(&self) -> bool {
        !self.is_done() && self.targets.iter().any(|target| target.begun)
    }

    /// True when it moved everything.
    pub fn is_done(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.error.is_none())
    }

    /// Why it can't be gone on with, whatever source and settings are now: nothing if it can.
    pub fn is_spoiled(&self) -> Option<&'static str> {
        let spoiled = self.ended.as_ref().is_some_and(|ended| ended.spoiled);
        spoiled.then_some("the source changed while its rows were written, so that some may be in the target with other values")
    }

    /// The error of a run that differs from it in `differences`.
    pub fn differs(&self, differences: &[String]) -> Error {
        differs(&self.started, differences)
    }
}

impl Ended {
    /// A run that ended now.
    pub fn now(error: Option<&Error>) -> Ended {
        let interrupted =
            error.is_some_and(|error| error.kind() == crate::error::Kind::Interrupted);
        let error = error.map(ToString::to_string);
        Ended { at: now(), error, interrupted, spoiled: false }
    }
}

fn read(path: &Path) -> Result<Option<EarlierRun>> {
    if !path.exists() {
        return Ok(None);
    }
    let Some(store) = Store::look(path)? else { return Ok(None) };
    let read = || {
        let Some(head) = store.head()? else { return Ok(None) };
        let plan: SavedPlan =
            serde_json::from_str(&head.plan).map_err(|error| damaged(error.to_string()))?;
        plan.check()?;
        let targets = store.progress(&plan.splits())?;
        plan.check_progress(&targets)?;
        Ok(Some(EarlierRun { started: head.started, ended: head.ended, plan, targets }))
    };
    read().map_err(|error: Error| error.at(path.display()))
}

fn journal_path(state_dir: &Path, identity: &Identity) -> PathBuf {
    state_dir.join(format!("{}.journal", identity.file_stem()))
}

fn lock_path(journal: &Path) -> PathBuf {
    journal.with_extension("lock")
}

/// Makes an empty journal where there is none. It appears whole or not at all: somebody may be
/// looking.
fn create(path: &Path) -> Result<Store> {
    let new = path.with_extension("new");
    remove(&new)?;
    remove(path)?;
    // SQLite gives the files beside it the same rights.
    private::create_new(&new).map_err(|error| disk("make", &new, error))?;
    drop(Store::create(&new)?);
    fs::rename(&new, path).map_err(|error| disk("make", path, error))?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Store::open(path)?.ok_or_else(|| Error::internal("The journal went away while it was made"))
}

/// Removes a journal, with the files that SQLite keeps beside it.
fn remove(path: &Path) -> Result<()> {
    for beside in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk("remove", path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn disk(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::internal(format!("Cannot {doing} the journal"))
        .because(error)
        .at(path.display())
        .help("there must be room in run.state_dir, and it must be writable")
}

/// Whole seconds: the fraction would only make the time harder to read.
fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0);
    now.ok().and_then(|now| now.format(&Rfc3339).ok()).unwrap_or_default()
}
