//! Where the chunks of a dataset lie in its file.
//!
//! libhdf5 tells it only for all chunks in one go, so one visit serves many splits: it fills a
//! window of the grid of chunks, and a few windows are kept. Memory stays the same however many
//! chunks there are.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::source::files::Stamp;
use crate::source::hdf5::dataset::library_error;

/// Chunks in a window, unless one row of chunks alone has more.
const WINDOW_CHUNKS: u64 = 32 << 10;
/// Windows kept, about 1 MiB each: those that the readers of neighbouring splits are in.
const WINDOWS: usize = 8;

/// One stored chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Position in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Bit n is set when filter n was left out.
    pub skipped_filters: u32,
}

/// How a dataset is cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows of the dataset.
    pub rows: u64,
    /// Rows of a chunk.
    pub chunk_rows: u64,
    /// Elements of a chunk in one row.
    pub chunk_cols: u64,
    /// Chunks side by side in one row of chunks.
    pub across: u64,
}

impl Grid {
    /// Rows of chunks.
    pub fn bands(&self) -> u64 {
        self.rows.div_ceil(self.chunk_rows)
    }

    /// Chunks in all.
    pub fn chunks(&self) -> u64 {
        self.bands().saturating_mul(self.across)
    }
}

/// The chunks of some consecutive bands.
#[derive(Debug)]
pub struct Window {
    first_band: u64,
    bands: u64,
    across: u64,
    chunks: Vec<Option<Chunk>>,
}

impl Window {
    /// True when the window knows about `band`.
    pub fn covers(&self, band: u64) -> bool {
        (self.first_band..self.first_band + self.bands).contains(&band)
    }

    /// The chunk of `band` at `column` of the grid; none where nothing was written.
    pub fn chunk(&self, band: u64, column: u64) -> Option<Chunk> {
        let at = (band - self.first_band) * self.across + column;
        self.chunks.get(usize::try_from(at).ok()?).copied().flatten()
    }
}

/// Which dataset, in which state of its file, a window belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The file.
    pub path: PathBuf,
    /// Its size and time.
    pub stamp: Stamp,
    /// Path of the dataset.
    pub dataset: String,
}

/// The windows that were looked at last, shared by all readers of a source.
#[derive(Debug, Clone, Default)]
pub struct ChunkMaps {
    windows: Arc<Mutex<Vec<Known>>>,
}

#[derive(Debug)]
struct Known {
    key: Key,
    window: Arc<Window>,
}

impl ChunkMaps {
    /// The window that `band` lies in.
    ///
    /// # Errors
    /// When libhdf5 can't read the dataset's index of chunks.
    pub fn window(
        &self,
        key: &Key,
        handle: &hdf5::Dataset,
        grid: Grid,
        band: u64,
    ) -> Result<Arc<Window>> {
        // The lock is held while libhdf5 is asked: readers that need the same window wait for it
        // here rather than fill it twice, and libhdf5 serves one thread at a time anyway.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = windows.iter().position(|w| w.key == *key && w.window.covers(band)) {
            let entry = windows.remove(at);
            windows.push(entry);
        } else {
            let window = Arc::new(look(handle, grid, band)?);
            if windows.len() == WINDOWS {
                windows.remove(0);
            }
            windows.push(Known { key: key.clone(), window });
        }
        match windows.last() {
            Some(known) => Ok(Arc::clone(&known.window)),
            None => Err(Error::internal("The window that was just added is gone")),
        }
    }
}

fn look(handle: &hdf5::Dataset, grid: Grid, band: u64) -> Result<Window> {
    let per_window = (WINDOW_CHUNKS / grid.across).max(1);
    let first_band = band - band % per_window;
    let bands = per_window.min(grid.bands() - first_band);
    let slots = usize::try_from(bands.saturating_mul(grid.across)).unwrap_or(usize::MAX);
    let mut chunks = Vec::new();
    chunks
        .try_reserve_exact(slots)
        .map_err(|error| Error::source(format!("No memory for {slots} chunks")).because(error))?;
    chunks.resize(slots, None);
    visit(handle, |offset, chunk| {
        let &[row, ref rest @ ..] = offset else { return };
        let column = rest.first().copied().unwrap_or(0) / grid.chunk_cols;
        let Some(band) = (row / grid.chunk_rows).checked_sub(first_band) else { return };
        if band >= bands || column >= grid.across || chunk.offset == u64::MAX {
            return;
        }
        let slot = usize::try_from(band * grid.across + column).ok();
        if let Some(slot) = slot.and_then(|slot| chunks.get_mut(slot)) {
            *slot = Some(chunk);
        }
    })
    .map_err(|error| library_error("Cannot read the index of chunks", &error))?;
    Ok(Window { first_band, bands, across: grid.across, chunks })
}

/// Calls `each` with the position (in elements) and the place of every stored chunk.
#[cfg(feature = "hdf5-static")]
fn visit(handle: &hdf5::Dataset, mut each: impl FnMut(&[u64], Chunk)) -> hdf5::Result<()> {
    handle.chunks_visit(|c| {
        let chunk = Chunk { offset: c.addr, size: c.size, skipped_filters: c.filter_mask };
        each(c.offset, chunk);
        0
    })
}

/// As above, with what libraries before 1.14 have. Each call searches from the first chunk on.
#[cfg(not(feature = "hdf5-static"))]
fn visit(handle: &hdf5::Dataset, mut each: impl FnMut(&[u64], Chunk)) -> hdf5::Result<()> {
    // Taken as none, unknown chunks would read as the fill value.
    let Some(count) = handle.num_chunks() else {
        return Err("the number of chunks is unknown".into());
    };
    for index in 0..count {
        let Some(c) = handle.chunk_info(index) else {
            return Err(format!("no chunk {index}").into());
        };
        each(&c.offset, Chunk { offset: c.addr, size: c.size, skipped_filters: c.filter_mask });
    }
    Ok(())
}
