//! The rows of an open index file: ids and vectors by row number.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::buffer::Buffer;

use crate::error::{Error, Result};
use crate::source::External;
use crate::source::faiss::decode::{Decoder, ProductDecoder, floats};
use crate::source::faiss::format::{Codec, Extent, Index, Run};
use crate::source::faiss::layout::{Centroids, Layout};
use crate::source::faiss::undo::Undo;
use crate::source::files;
use crate::source::map::FileMap;
use crate::source::rows::values;
use crate::source::scatter::{self, Piece};
use crate::table::VectorType;

/// An open index.
#[derive(Debug)]
pub struct Rows {
    /// The index file.
    file: Arc<FileMap>,
    /// The file that the runs lie in: another one for lists on disk.
    data: Arc<FileMap>,
    /// Where the rows lie.
    pub layout: Layout,
    vectors: Vectors,
}

/// Bytes of an id.
const ID_BYTES: usize = size_of::<i64>();

/// From codes to vectors.
#[derive(Debug)]
struct Vectors {
    decoder: Decoder,
    undo: Vec<Undo>,
    centroids: Option<CentroidDecoder>,
}

/// From the number of a list to its centroid.
#[derive(Debug)]
enum CentroidDecoder {
    Rows(Box<(Layout, Vectors)>),
    Grid(ProductDecoder),
}

/// Maps a file.
///
/// # Errors
/// When it can't be opened or mapped.
pub fn map(path: &Path) -> Result<Arc<FileMap>> {
    let unreadable = |error| Error::source("Cannot open the file").because(error);
    FileMap::of(File::open(path).map_err(unreadable)?).map_err(unreadable)
}

/// Where the lists of an index at `path` lie, when they are in another file: as the index says it, unless that
/// is outside its folder and not allowed; else beside the index.
pub fn data_path(path: &Path, layout: &Layout, external: External) -> Option<PathBuf> {
    let (stated, _) = layout.elsewhere.as_ref()?;
    let stated = Path::new(stated);
    let beside = path.parent().unwrap_or(Path::new(".")).join(stated.file_name()?);
    let takes_stated = stated.exists() && external.allows(path, stated);
    Some(if takes_stated || !beside.exists() { stated.to_owned() } else { beside })
}

impl Rows {
    /// The rows of `index`, which `file` holds. `data` says where its lists are, when they are in another
    /// file.
    ///
    /// # Errors
    /// When its vectors can't be had, or the file of its lists is missing or too short.
    pub fn of(
        file: Arc<FileMap>,
        index: &Index,
        data: impl FnOnce(&Layout) -> Option<PathBuf>,
    ) -> Result<Rows> {
        let layout = Layout::of(index)?;
        let data = match (data(&layout), &layout.elsewhere) {
            (Some(data), Some((_, size))) => {
                let place = |error: Error| {
                    error
                        .at(format!("the file of the lists, {}", files::name(&data)))
                        .help("copy it along: beside the index, or to where the index says it is")
                };
                let map = map(&data).map_err(place)?;
                if (map.bytes().len() as u64) < *size {
                    return Err(place(Error::source(format!(
                        "The file has {} bytes, the index says {size}",
                        map.bytes().len()
                    ))));
                }
                map
            }
            _ => Arc::clone(&file),
        };
        let vectors = Vectors::of(&layout, file.bytes())?;
        Ok(Rows { file, data, layout, vectors })
    }

    /// The ids of `rows`.
    ///
    /// # Errors
    /// When an id within has none without.
    pub fn ids(&self, rows: &Range<u64>) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(count(rows));
        for (run, part) in self.pieces(rows) {
            match self.ids_of(run) {
                None => ids.extend(numbers(run, part)),
                Some(stored) => ids.extend(integers(&self.data.bytes()[stored.part(part)])),
            }
        }
        if let Some(pairs) = self.layout.duplicates {
            let part = self.pairs_of(rows);
            ids.extend(integers(&self.file.bytes()[pairs.part(part)]).skip(1).step_by(2));
        }
        self.rename(rows.start, &mut ids)?;
        Ok(ids)
    }

    /// Replaces the ids within of the rows from `first_row` on by those without.
    fn rename(&self, first_row: u64, ids: &mut [i64]) -> Result<()> {
        for map in &self.layout.id_maps {
            for (row, id) in ids.iter_mut().enumerate() {
                let inner = *id;
                let place = usize::try_from(inner).ok().filter(|&place| place < map.count);
                let bytes = place.and_then(|place| {
                    self.file.bytes()[map.part(place..place + 1)].try_into().ok()
                });
                *id = i64::from_le_bytes(bytes.ok_or_else(|| {
                    Error::source(format!(
                        "Row {} has the id {inner} within, but the index has names for {} rows",
                        first_row + row as u64,
                        map.count
                    ))
                    .help("the file is damaged")
                })?);
            }
        }
        Ok(())
    }

    /// The ids of `rows`, which lie in the runs, and the values of their vectors: a slice of the map
    /// where they lie there as Arrow wants them.
    ///
    /// # Errors
    /// As [`ids`](Self::ids), and when the file ends early or can't be read.
    pub fn read(&self, rows: &Range<u64>) -> Result<(Vec<i64>, Buffer)> {
        let plain = matches!(self.vectors.decoder, Decoder::Plain)
            && self.vectors.undo.is_empty()
            && self.vectors.centroids.is_none();
        if plain {
            return match self.slice(rows) {
                Some(slice) => Ok((self.ids(rows)?, slice)),
                None => self.copy(rows),
            };
        }
        let ids = self.ids(rows)?;
        let mut out = self.room(rows.end - rows.start);
        for (run, part) in self.pieces(rows) {
            self.vectors.decode(&self.layout, self.places(), run, part, &mut out);
        }
        self.let_go(rows);
        Ok((ids, Buffer::from_vec(out)))
    }

    /// The codes of `rows` where they lie, if they lie there one after the other, and aligned.
    fn slice(&self, rows: &Range<u64>) -> Option<Buffer> {
        let mut pieces = self.pieces(rows);
        let (run, part) = pieces.next()?;
        let range = self.codes_of(run).part(part);
        // The map begins at a page.
        let fits = pieces.next().is_none() && range.start.is_multiple_of(self.value_width());
        if fits { self.data.buffer(range) } else { None }
    }

    /// The ids and the codes of `rows`, read piece by piece: lists lie one after the other, their
    /// codes and ids in turn.
    fn copy(&self, rows: &Range<u64>) -> Result<(Vec<i64>, Buffer)> {
        let bytes = |extent: Extent, part: Range<usize>, into: usize| {
            let range = extent.part(part);
            Piece { offset: range.start as u64, bytes: range.len(), into }
        };
        let pieces = self.pieces(rows).flat_map(|(run, part)| {
            let ids = self.ids_of(run).map(|ids| bytes(ids, part.clone(), 1));
            [Some(bytes(self.codes_of(run), part, 0)), ids]
        });
        let mut codes = Vec::with_capacity(count(rows) * self.layout.code_size);
        let mut stored = Vec::with_capacity(count(rows) * ID_BYTES);
        scatter::read(self.data.file(), pieces.flatten(), [&mut codes, &mut stored])?;
        let mut stored = integers(&stored);
        let mut ids = Vec::with_capacity(count(rows));
        for (run, part) in self.pieces(rows) {
            match run.ids {
                None => ids.extend(numbers(run, part)),
                Some(_) => ids.extend(stored.by_ref().take(part.len())),
            }
        }
        self.rename(rows.start, &mut ids)?;
        Ok((ids, values(codes, self.value_width())))
    }

    fn codes_of(&self, run: &Run) -> Extent {
        Extent { start: run.codes, count: run.rows, width: self.layout.code_size }
    }

    fn ids_of(&self, run: &Run) -> Option<Extent> {
        run.ids.map(|start| Extent { start, count: run.rows, width: ID_BYTES })
    }

    /// Bytes of a value of a vector.
    fn value_width(&self) -> usize {
        match self.layout.column.vector_type {
            VectorType::Binary => 1,
            _ => size_of::<f32>(),
        }
    }

    /// The values of the vectors of single rows.
    pub fn gather(&self, rows: &[u64]) -> Buffer {
        let mut out = self.room(rows.len() as u64);
        for &row in rows {
            for (run, part) in self.pieces(&(row..row + 1)) {
                self.vectors.decode(&self.layout, self.places(), run, part, &mut out);
            }
        }
        Buffer::from_vec(out)
    }

    fn places(&self) -> (&[u8], &[u8]) {
        (self.data.bytes(), self.file.bytes())
    }

    fn room(&self, rows: u64) -> Vec<f32> {
        Vec::with_capacity(rows as usize * self.layout.column.dim)
    }

    /// For rows that have another one's vector: the numbers of those.
    ///
    /// # Errors
    /// When no list holds one of them.
    pub fn originals(&self, rows: &Range<u64>) -> Result<Vec<u64>> {
        let Some(pairs) = self.layout.duplicates else { return Ok(Vec::new()) };
        let kept = || integers(&self.file.bytes()[pairs.part(self.pairs_of(rows))]).step_by(2);
        let mut places: HashMap<i64, Option<u64>> = kept().map(|id| (id, None)).collect();
        for run in self.layout.runs.iter() {
            let Some(ids) = self.ids_of(run) else { continue };
            for (n, id) in integers(&self.data.bytes()[ids.range()]).enumerate() {
                if let Some(place) = places.get_mut(&id) {
                    place.get_or_insert(run.first_row + n as u64);
                }
            }
        }
        kept()
            .map(|id| {
                places.get(&id).copied().flatten().ok_or_else(|| {
                    Error::source(format!(
                        "The table of duplicates names the id {id}, which is in no list"
                    ))
                    .help("the file is damaged")
                })
            })
            .collect()
    }

    /// Lets go of the pages of `rows`, which were copied.
    fn let_go(&self, rows: &Range<u64>) {
        self.spans(rows, |map, span| map.let_go(&span));
    }

    /// Bytes of codes and ids of `rows`, as few spans as can be: an index has its lists one after
    /// the other, codes and ids in turn.
    fn spans(&self, rows: &Range<u64>, mut each: impl FnMut(&FileMap, Range<usize>)) {
        let mut open: Option<Range<usize>> = None;
        for (run, part) in self.pieces(rows) {
            let ids = self.ids_of(run).map(|ids| ids.part(part.clone()));
            for span in [Some(self.codes_of(run).part(part)), ids] {
                let Some(span) = span else { continue };
                open = Some(match open.take() {
                    Some(before) if before.end == span.start => before.start..span.end,
                    Some(before) => {
                        each(&self.data, before);
                        span
                    }
                    None => span,
                });
            }
        }
        if let Some(span) = open {
            each(&self.data, span);
        }
    }

    /// True as long as everything that was touched was there.
    pub fn is_intact(&self) -> bool {
        self.file.is_intact() && self.data.is_intact()
    }

    fn pairs_of(&self, rows: &Range<u64>) -> Range<usize> {
        let place = |row: u64| row.saturating_sub(self.layout.listed) as usize;
        place(rows.start)..place(rows.end)
    }

    /// The runs that `rows` lie in, and which of their rows.
    fn pieces(&self, rows: &Range<u64>) -> impl Iterator<Item = (&Run, Range<usize>)> + use<'_> {
        let Range { start, end } = *rows;
        let runs = &self.layout.runs;
        let first = runs.partition_point(|run| run.first_row + run.rows as u64 <= start);
        runs[first..].iter().take_while(move |run| run.first_row < end).map(move |run| {
            let from = start.saturating_sub(run.first_row) as usize;
            let to = (end - run.first_row).min(run.rows as u64) as usize;
            (run, from..to)
        })
    }
}

impl Vectors {
    fn of(layout: &Layout, file: &[u8]) -> Result<Vectors> {
        if layout.listed > 0 {
            layout.codec.check_tables(layout.code_dim)?;
        }
        let undo = layout.undo.iter().map(|step| Undo::new(step, file)).collect::<Result<_>>()?;
        let centroids = match &layout.centroids {
            Some(Centroids::Rows(rows)) => {
                let vectors = Vectors::of(rows, file)?;
                Some(CentroidDecoder::Rows(Box::new((Layout::clone(rows), vectors))))
            }
            Some(Centroids::Grid(grid)) => {
                Codec::Product(grid.clone()).check_tables(layout.code_dim)?;
                let values = floats(file, grid.centroids);
                let decoder = ProductDecoder::new(grid, layout.code_dim, values);
                Some(CentroidDecoder::Grid(decoder))
            }
            None => None,
        };
        let decoder = match layout.listed {
            0 => Decoder::Plain,
            _ => Decoder::new(&layout.codec, layout.code_dim, file),
        };
        Ok(Vectors { decoder, undo, centroids })
    }

    /// Appends the vectors of rows of a run, which lies in `data`; what they are relative to lies
    /// in `file`.
    fn decode(
        &self,
        layout: &Layout,
        (data, file): (&[u8], &[u8]),
        run: &Run,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) {
        let bytes = self.decoder.run_bytes(run.rows, layout.code_size);
        let codes = &data[run.codes..run.codes + bytes];
        let mut within = Vec::new();
        let target = if self.undo.is_empty() { &mut *out } else { &mut within };
        let start = target.len();
        self.decoder.decode(codes, rows, layout.code_size, target);
        if let Some(centroids) = &self.centroids {
            let mut centroid = Vec::new();
            match centroids {
                CentroidDecoder::Grid(grid) => grid.decode(&run.list.to_le_bytes(), &mut centroid),
                CentroidDecoder::Rows(rows) => {
                    let (layout, vectors) = &**rows;
                    let row = run.list as usize;
                    // Numbered rows are one run; that it has this one was checked.
                    for all in layout.runs.iter() {
                        vectors.decode(layout, (file, file), all, row..row + 1, &mut centroid);
                    }
                }
            }
            for vector in target[start..].chunks_exact_mut(layout.code_dim.max(1)) {
                vector.iter_mut().zip(&centroid).for_each(|(value, centre)| *value += centre);
            }
        }
        let mut dim = layout.code_dim;
        for (n, undo) in self.undo.iter().enumerate() {
            let before = std::mem::take(&mut within);
            let last = n + 1 == self.undo.len();
            let target = if last { &mut *out } else { &mut within };
            before.chunks_exact(dim.max(1)).for_each(|vector| undo.apply(vector, target));
            dim = layout.undo[n].dim_in;
        }
    }
}

fn count(rows: &Range<u64>) -> usize {
    (rows.end - rows.start) as usize
}

/// The ids of rows of a run that has none: their numbers.
fn numbers(run: &Run, part: Range<usize>) -> Range<i64> {
    let first = run.first_row as i64;
    first + part.start as i64..first + part.end as i64
}

/// The 64-bit integers of a list.
fn integers(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes))
}
