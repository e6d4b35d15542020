//! The file itself: what was recorded comes back; what was cut off never happened.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use vecpipe::flow::{Change, EarlierRun, Ended, Journal, JournalFile, Memo, SplitProgress, Totals};
use vecpipe::flow::{Plan, TargetProgress};
use vecpipe::sink::Completion;

use crate::common::recorder::Recorder;
use crate::support::{Case, block_on};

/// Splits of the one target.
const SPLITS: usize = 10;

fn case(dir: &Path) -> Case {
    Case::new(dir, 1000, 100)
}

/// A new journal of a plan with one target of ten splits.
async fn begin(case: &Case) -> Journal {
    let pipeline = case.pipeline(Box::new(Recorder::default()));
    let plan = Plan::make(&pipeline).await.unwrap();
    let file = JournalFile::restart(&case.state_dir(), &case.identity()).unwrap();
    file.begin(&pipeline, &plan).await.unwrap()
}

fn earlier(case: &Case) -> vecpipe::Result<Option<EarlierRun>> {
    let standing = EarlierRun::find(&case.state_dir(), &case.identity())?;
    Ok(standing.map(|standing| standing.run))
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let totals = (0u64..1000, 0u64..1000).prop_map(|(rows_read, rows_written)| Totals {
        rows_read,
        rows_written,
        ..Totals::default()
    });
    let split = (0..SPLITS, 0u64..100, 0u64..100, any::<bool>(), totals);
    let split = split.prop_map(|(split, settled, more, finished, totals)| {
        let sent = (settled + more).min(100);
        Change::Split(
            0,
            split,
            SplitProgress { settled, sent, finished, totals, ..SplitProgress::default() },
        )
    });
    let memo =
        any::<u32>().prop_map(|n| Change::Prepared(0, Memo { sink: n.into(), ..Memo::default() }));
    let done = (any::<u32>(), any::<u32>()).prop_map(|(before, after)| {
        Change::Completed(0, Completion { rows_before: before.into(), rows_after: after.into() })
    });
    let change = prop_oneof![20 => split, 1 => memo, 1 => done, 1 => Just(Change::Begun(0))];
    proptest::collection::vec(change, 0..60)
}

/// The change's effect, as it should be.
fn apply(progress: &mut TargetProgress, change: &Change) {
    match change {
        Change::Begun(_) => progress.begun = true,
        Change::Prepared(_, memo) => {
            progress.begun = true;
            progress.memo = Some(memo.clone());
        }
        Change::Split(_, split, to) => progress.splits[*split] = *to,
        Change::Completed(_, completion) => {
            progress.begun = true;
            progress.completion = Some(*completion);
        }
        Change::Ended(_) => {}
    }
}

fn files(case: &Case) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(case.state_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Copies the journal as a kill would leave it: while it is open.
fn snapshot(from: &Case, to: &Case) {
    let _ = fs::remove_dir_all(to.state_dir());
    fs::create_dir_all(to.state_dir()).unwrap();
    for file in files(from) {
        // The shared memory of a program that was killed is worth nothing.
        if !file.to_str().unwrap().ends_with("-shm") {
            fs::copy(&file, to.state_dir().join(file.file_name().unwrap())).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_recorded_comes_back(changes in changes(), lazy in any::<u64>()) {
        let dir = tempfile::tempdir().unwrap();
        let case = case(dir.path());
        let mut expected = TargetProgress::none(SPLITS);
        block_on(async {
            let journal = begin(&case).await;
            for (n, change) in changes.iter().enumerate() {
                apply(&mut expected, change);
                match lazy >> (n % 64) & 1 {
                    0 => journal.record(change.clone()).await.unwrap(),
                    _ => journal.note(change.clone()),
                }
            }
            journal.end(Ended::now(None)).await.unwrap();
        });
        let run = earlier(&case).unwrap().unwrap();
        prop_assert!(run.is_done());
        prop_assert_eq!(&run.targets[0], &expected);
    }

    /// A journal that lost its end tells of an earlier moment, or says that it is damaged.
    #[test]
    fn a_torn_journal_tells_of_an_earlier_moment(
        changes in changes(),
        cut in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let [case, whole, torn] = ["open", "whole", "torn"].map(|name| case(&dir.path().join(name)));
        let mut moments = vec![TargetProgress::none(SPLITS)];
        block_on(async {
            let journal = begin(&case).await;
            for change in &changes {
                let mut next = moments.last().unwrap().clone();
                apply(&mut next, change);
                moments.push(next);
                journal.record(change.clone()).await.unwrap();
            }
            snapshot(&case, &whole);
            snapshot(&case, &torn);
            journal.end(Ended::now(None)).await.unwrap();
        });
        let whole = earlier(&whole).unwrap().unwrap();
        prop_assert_eq!(&whole.targets[0], moments.last().unwrap());
        prop_assert!(whole.ended.is_none());
        snapshot_of(&torn, |files| {
            let file = &files[which.index(files.len())];
            let mut bytes = fs::read(file).unwrap();
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes.extend(garbage);
            fs::write(file, bytes).unwrap();
        });
        match earlier(&torn) {
            Ok(Some(run)) => prop_assert!(moments.contains(&run.targets[0])),
            // Nothing was begun yet, as far as anybody can tell.
            Ok(None) => {}
            Err(error) => {
                prop_assert_eq!(error.exit_code(), 2, "{}", error);
                prop_assert!(error.to_string().contains("--restart"), "{}", error);
            }
        }
    }
}

/// The journal's own files, without the lock.
fn snapshot_of(case: &Case, damage: impl FnOnce(&[PathBuf])) {
    let mut files = files(case);
    files.retain(|file| !file.extension().unwrap().to_str().unwrap().contains("lock"));
    damage(&files);
}

/// Whoever asked for the status of a run that was just beginning could make it fail.
#[tokio::test(flavor = "multi_thread")]
async fn looks_get_in_no_run_s_way_while_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let case = case(dir.path());
    let (done, looking) = (Arc::new(AtomicBool::new(false)), case.clone());
    let ended = Arc::clone(&done);
    let looks = std::thread::spawn(move || {
        let mut seen = 0;
        while !ended.load(Ordering::Relaxed) {
            seen += u32::from(earlier(&looking).unwrap().is_some());
        }
        seen
    });
    for _ in 0..40 {
        let journal = begin(&case).await;
        journal.record(Change::Begun(0)).await.unwrap();
        journal.end(Ended::now(None)).await.unwrap();
        assert!(earlier(&case).unwrap().unwrap().is_done());
    }
    done.store(true, Ordering::Relaxed);
    assert!(looks.join().unwrap() > 0, "no look saw a journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let case = case(dir.path());
    let journal = begin(&case).await;
    journal.record(Change::Prepared(0, Memo::default())).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&case.state_dir()), 0o700);
    let files = files(&case);
    assert!(files.len() >= 4, "journal, its log, its shared memory, lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_program_or_form_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let case = case(dir.path());
    begin(&case).await.end(Ended::now(None)).await.unwrap();
    let path =
        files(&case).into_iter().find(|file| file.extension().unwrap() == "journal").unwrap();
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let error = earlier(&case).unwrap_err();
    assert!(error.to_string().starts_with("The journal has form 99"), "{error}");
    fs::write(&path, "not a database, but a text that is long enough to be one".repeat(100))
        .unwrap();
    let error = earlier(&case).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with("The journal of the earlier run is damaged"), "{error}");
}
