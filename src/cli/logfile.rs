//! A log file a day, `pipeline.<date>.log`, for its owner's eyes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use time::{Date, OffsetDateTime};

use crate::private;

/// The files of a folder.
#[derive(Debug)]
pub(super) struct DailyFile {
    folder: PathBuf,
    today: Mutex<(Date, File)>,
}

impl DailyFile {
    /// Opens the file of the day in `folder`, which is made if need be.
    pub fn in_folder(folder: &Path) -> io::Result<DailyFile> {
        private::folder(folder)?;
        let date = today();
        let today = Mutex::new((date, open(folder, date)?));
        Ok(DailyFile { folder: folder.to_owned(), today })
    }

    /// Adds a line to the file of the day.
    pub fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut last = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let date = today();
        if last.0 != date {
            // Where there can be no new file, yesterday's is better than none.
            if let Ok(file) = open(&self.folder, date) {
                *last = (date, file);
            }
        }
        last.1.write_all(line)
    }
}

fn open(folder: &Path, date: Date) -> io::Result<File> {
    let (year, month, day) = date.to_calendar_date();
    let name = format!("pipeline.{year:04}-{:02}-{day:02}.log", u8::from(month));
    private::options().create(true).append(true).open(folder.join(name))
}

/// In UTC, as the times in the file.
fn today() -> Date {
    OffsetDateTime::now_utc().date()
}
