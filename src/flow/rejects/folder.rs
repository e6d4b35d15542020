//! The folder of the rows that a run rejected of one target.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use time::OffsetDateTime;

use super::Rejected;
use crate::error::{Error, Result};
use crate::flow::SplitProgress;
use crate::private;
use crate::sink::files::names::encode;

/// What the names of whole files end in.
const WHOLE: &str = "parquet";
/// What they end in until they are.
const WRITING: &str = "tmp";

/// A folder of Parquet files. Each has the bad rows of one batch, and is there, whole and durable,
/// before the journal says that the batch is settled. So a run that goes on knows by a file's name
/// whether its rows will come again.
#[derive(Debug)]
pub struct RejectsFolder(PathBuf);

impl RejectsFolder {
    /// Makes a folder that no other run has, for a target whose first table has this name.
    ///
    /// # Errors
    /// When the name is too long, or the disk refuses.
    pub fn claim(rejects_dir: &Path, table: &str) -> Result<RejectsFolder> {
        let of_table = rejects_dir.join(encode(table)?);
        private::folder(&of_table).map_err(|error| disk("make", &of_table, error))?;
        let now = OffsetDateTime::now_utc();
        let (year, month, day) = now.to_calendar_date();
        let (hour, minute, second) = now.to_hms();
        let month = u8::from(month);
        let now = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
        let mut more = 1;
        loop {
            let name = if more == 1 { now.clone() } else { format!("{now}-{more}") };
            let path = of_table.join(name);
            match private::new_folder(&path) {
                Ok(()) => return Ok(RejectsFolder(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => more += 1,
                Err(error) => return Err(disk("make", &path, error)),
            }
        }
    }

    /// Opens the folder of an interrupted run, and removes what will come again: files of rows that
    /// were not settled. `splits` tells how far the target's splits are.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn reopen(path: &Path, splits: &[SplitProgress]) -> Result<RejectsFolder> {
        // An empty one may have been tidied away.
        private::folder(path).map_err(|error| disk("make", path, error))?;
        let folder = RejectsFolder(path.to_owned());
        for file in folder.files()? {
            let stays = match place_of(&file) {
                Some((split, first_row)) => {
                    splits.get(split).is_some_and(|split| first_row < split.settled)
                }
                None => file.extension().is_none_or(|end| end != WRITING),
            };
            if !stays {
                fs::remove_file(&file).map_err(|error| disk("remove", &file, error))?;
            }
        }
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the bad rows of the batch that begins with row `first_row` of the target's split number
    /// `split`; they are durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, split: usize, first_row: u64, rejected: &Rejected) -> Result<()> {
        let rows = rejected.to_file()?;
        let path = self.0.join(format!("part-{split:05}-{first_row:012}.{WHOLE}"));
        let temporary = path.with_extension(WRITING);
        let write = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .build();
            let file = private::create(&temporary)?;
            let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties))?;
            writer.write(&rows)?;
            writer.into_inner()?.sync_all()?;
            Ok(private::rename(&temporary, &path)?)
        };
        write().map_err(|error| disk("write", &path, error))
    }

    /// Checks that it holds `rows` rows, and removes it when that is none.
    ///
    /// # Errors
    /// [`Kind::Differ`](crate::error::Kind::Differ) when it holds more or fewer.
    pub fn complete(&self, rows: u64) -> Result<()> {
        let mut there = 0;
        for file in self.files()?.iter().filter(|file| place_of(file).is_some()) {
            there += rows_of(file).map_err(|error| disk("read", file, error))?;
        }
        if there != rows {
            return Err(Error::differ(format!(
                "{rows} rows were rejected, but their files hold {there}"
            ))
            .at(self.0.display())
            .help("something else changed the files there; begin anew with --restart"));
        }
        if rows == 0 {
            // Those above it are other runs', too: they go when they are empty.
            let above = self.0.ancestors().take(3);
            let _ = above.take_while(|folder| fs::remove_dir(folder).is_ok()).count();
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let list =
            || -> io::Result<_> { fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect() };
        match list() {
            // It is tidied away when it is empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(|error| disk("read", &self.0, error)),
        }
    }
}

/// The split and the first row of a whole file; none for one of another name.
fn place_of(file: &Path) -> Option<(usize, u64)> {
    let name = file.file_name()?.to_str()?.strip_prefix("part-")?;
    let (split, row) = name.strip_suffix(WHOLE)?.strip_suffix('.')?.split_once('-')?;
    Some((split.parse().ok()?, row.parse().ok()?))
}

fn rows_of(file: &Path) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let footer = ArrowReaderMetadata::load(&File::open(file)?, Default::default())?;
    Ok(u64::try_from(footer.metadata().file_metadata().num_rows())?)
}

fn disk(
    doing: &str,
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::target(format!("Cannot {doing} the files of rejected rows"))
        .because(error)
        .at(path.display())
        .help(
            "run.rejects_dir must be a folder that can be written to and has room; then run again",
        )
}
