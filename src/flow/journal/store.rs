//! The journal as an SQLite file, in write-ahead mode: a commit is durable when it returns, and one
//! that was cut off never happened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::progress::{Change, Ended, Memo, Receipts, SplitProgress, TargetProgress};
use crate::error::{Error, Result};
use crate::flow::Totals;
use crate::sink::Completion;

/// Marks the file as ours: `vecp`.
const APPLICATION: i32 = 0x7665_6370;
/// Version of the tables below.
const FORMAT: i32 = 3;

const TABLES: &str = "
    CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        started TEXT NOT NULL, plan TEXT NOT NULL, ended TEXT
    ) STRICT;
    CREATE TABLE target (target INTEGER PRIMARY KEY, memo TEXT, completion TEXT) STRICT;
    CREATE TABLE split (
        target INTEGER, split INTEGER,
        settled INTEGER NOT NULL, sent INTEGER NOT NULL, finished INTEGER NOT NULL,
        totals TEXT NOT NULL, receipts TEXT,
        PRIMARY KEY (target, split)
    ) STRICT, WITHOUT ROWID;";

/// An open journal.
#[derive(Debug)]
pub struct Store(Connection);

/// What a journal begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// When the run was begun (RFC 3339, UTC).
    pub started: String,
    /// The plan, as JSON.
    pub plan: String,
    /// How the last attempt at it ended; none when it was cut off, or is at work.
    pub ended: Option<Ended>,
}

impl Store {
    /// Makes the tables in a file that is there and empty.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(path: &Path) -> Result<Store> {
        let make = || {
            let mut store = Store::connect(path)?;
            let begin = store.0.transaction()?;
            begin.execute_batch(TABLES)?;
            begin.pragma_update(None, "application_id", APPLICATION)?;
            begin.pragma_update(None, "user_version", FORMAT)?;
            begin.commit()?;
            Ok(store)
        };
        make().map_err(|error: rusqlite::Error| refused("make", error).at(path.display()))
    }

    /// Forgets all that is in it, and begins with `head`, if there is one, in one step: whoever looks
    /// sees the old run or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_anew(&mut self, head: Option<&Head>) -> Result<()> {
        let mut begin = || {
            let all = self.0.transaction()?;
            all.execute_batch("DELETE FROM run; DELETE FROM target; DELETE FROM split;")?;
            if let Some(Head { started, plan, .. }) = head {
                let values = params![started, plan];
                all.execute("INSERT INTO run (one, started, plan) VALUES (1, ?1, ?2)", values)?;
            }
            all.commit()
        };
        begin().map_err(|error| refused("write", error))
    }

    /// Opens a journal; `None` where a run ended before it had begun one.
    ///
    /// # Errors
    /// When it is damaged, or of another version.
    pub fn open(path: &Path) -> Result<Option<Store>> {
        Store::checked(path, || Store::connect(path))
    }

    /// The same for reading alone: gets in the way of no run that is at work, or just begins.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn look(path: &Path) -> Result<Option<Store>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Store::checked(path, || Store::with(path, flags))
    }

    fn checked(
        path: &Path,
        connect: impl Fn() -> rusqlite::Result<Store>,
    ) -> Result<Option<Store>> {
        let look = || -> rusqlite::Result<_> {
            let store = connect()?;
            let number =
                |name: &str| store.0.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
            let marks = (number("application_id")?, number("user_version")?);
            let sound =
                store.0.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0))?;
            Ok((store, marks, sound))
        };
        let (store, marks, sound) =
            look().map_err(|error| damaged(error.to_string()).at(path.display()))?;
        match marks {
            (APPLICATION, FORMAT) if sound == "ok" => Ok(Some(store)),
            (APPLICATION, FORMAT) => Err(damaged(sound).at(path.display())),
            (0, 0) => Ok(None),
            (APPLICATION, format) => Err(Error::config(format!(
                "The journal has form {format}, this version of vecpipe reads form {FORMAT}"
            ))
            .at(path.display())
            .help("go on with the version that began the run, or begin anew with --restart")),
            _ => Err(damaged("it is another program's".to_owned()).at(path.display())),
        }
    }

    fn connect(path: &Path) -> rusqlite::Result<Store> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Store::with(path, flags)?;
        store.0.pragma_update(None, "journal_mode", "wal")?;
        store.0.pragma_update(None, "synchronous", "full")?;
        Ok(store)
    }

    fn with(path: &Path, flags: OpenFlags) -> rusqlite::Result<Store> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        Ok(Store(connection))
    }

    /// Writes changes down, all or none of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) -> Result<()> {
        let write = || {
            let all = self.0.transaction()?;
            for change in changes {
                put(&all, change)?;
            }
            all.commit()
        };
        write().map_err(|error| refused("write", error))
    }

    /// Forgets how the last attempt ended: a new one is under way.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn reopen(&mut self) -> Result<()> {
        let done = self.0.execute("UPDATE run SET ended = NULL", []);
        done.map(drop).map_err(|error| refused("write", error))
    }

    /// What it begins with; none when a run ended before it was written.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn head(&self) -> Result<Option<Head>> {
        let row = self.0.query_row("SELECT started, plan, ended FROM run", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?))
        });
        let row = row.optional().map_err(|error| damaged(error.to_string()))?;
        row.map(|(started, plan, ended)| {
            Ok(Head { started, plan, ended: ended.as_deref().map(from_json).transpose()? })
        })
        .transpose()
    }

    /// How far targets of so many splits are.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn progress(&self, splits: &[usize]) -> Result<Vec<TargetProgress>> {
        let mut targets: Vec<_> = splits.iter().map(|n| TargetProgress::none(*n)).collect();
        self.read_targets(&mut targets)?;
        self.read_splits(&mut targets)?;
        Ok(targets)
    }

    fn read_targets(&self, targets: &mut [TargetProgress]) -> Result<()> {
        let read = || {
            let mut rows = self.0.prepare("SELECT target, memo, completion FROM target")?;
            let rows = rows.query_map([], |row| {
                Ok((
                    row.get(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, Option<String>>(2)?,
                ))
            })?;
            rows.collect::<rusqlite::Result<Vec<(i64, _, _)>>>()
        };
        for (target, memo, completion) in read().map_err(|error| damaged(error.to_string()))? {
            let target = number(target).and_then(|n| targets.get_mut(n)).ok_or_else(unplanned)?;
            target.begun = true;
            target.memo = memo.as_deref().map(from_json::<Memo>).transpose()?;
            target.completion = completion.as_deref().map(from_json::<Completion>).transpose()?;
        }
        Ok(())
    }

    fn read_splits(&self, targets: &mut [TargetProgress]) -> Result<()> {
        let read = || {
            let mut rows = self.0.prepare(
                "SELECT target, split, settled, sent, finished, totals, receipts FROM split",
            )?;
            let rows = rows.query_map([], |row| {
                let words: (String, Option<String>) = (row.get(5)?, row.get(6)?);
                Ok(([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?], words))
            })?;
            rows.collect::<rusqlite::Result<Vec<([i64; 5], (String, Option<String>))>>>()
        };
        for (numbers, (totals, receipts)) in read().map_err(|error| damaged(error.to_string()))? {
            let [target, split, settled, sent, finished] = numbers;
            let there = number(target)
                .and_then(|n| targets.get_mut(n))
                .zip(number(split))
                .and_then(|(target, n)| target.splits.get_mut(n))
                .ok_or_else(unplanned)?;
            let rows = u64::try_from(settled).ok().zip(u64::try_from(sent).ok());
            let (settled, sent) =
                rows.filter(|(settled, sent)| settled <= sent).ok_or_else(unplanned)?;
            let totals = from_json::<Totals>(&totals)?;
            let receipts = receipts.as_deref().map(from_json::<Receipts>).transpose()?;
            let (finished, receipts) = (finished != 0, receipts.unwrap_or_default());
            *there = SplitProgress { settled, sent, finished, totals, receipts };
        }
        Ok(())
    }
}

fn put(all: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| all.execute(sql, values).map(drop);
    match change {
        Change::Begun(target) => {
            run("INSERT INTO target (target) VALUES (?1) ON CONFLICT DO NOTHING", &[&int(*target)?])
        }
        Change::Prepared(target, memo) => run(
            "INSERT INTO target (target, memo) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET memo = excluded.memo",
            &[&int(*target)?, &json(memo)?],
        ),
        Change::Completed(target, completion) => run(
            "INSERT INTO target (target, completion) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET completion = excluded.completion",
            &[&int(*target)?, &json(completion)?],
        ),
        Change::Split(target, split, progress) => {
            let SplitProgress { settled, sent, finished, totals, receipts } = progress;
            run(
                "INSERT OR REPLACE INTO split
                 (target, split, settled, sent, finished, totals, receipts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                &[
                    &int(*target)?,
                    &int(*split)?,
                    &int(*settled)?,
                    &int(*sent)?,
                    finished,
                    &json(totals)?,
                    &Some(receipts)
                        .filter(|all| **all != Receipts::default())
                        .map(json)
                        .transpose()?,
                ],
            )
        }
        Change::Ended(ended) => run("UPDATE run SET ended = ?1", &[&json(ended)?]),
    }
}

fn int(n: impl TryInto<i64>) -> rusqlite::Result<i64> {
    n.try_into().map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, i64::MAX))
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    let failed = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    serde_json::to_string(value).map_err(failed)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(error.to_string()))
}

fn number(n: i64) -> Option<usize> {
    usize::try_from(n).ok()
}

fn unplanned() -> Error {
    damaged("it tells of splits that were not planned".to_owned())
}

/// The journal can't be relied upon.
pub(super) fn damaged(why: String) -> Error {
    Error::config("The journal of the earlier run is damaged")
        .because(why)
        .help("begin anew with --restart; what the earlier run moved stays where it is")
}

fn refused(doing: &str, error: rusqlite::Error) -> Error {
    Error::internal(format!("Cannot {doing} the journal"))
        .because(error)
        .help("there must be room in run.state_dir, and it must be writable; then run again")
}
