//! Inverted lists: the rows of an IVF index, list by list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cursor::{Cursor, Extent, FourCc, u64_at, wrong};
use crate::error::{Error, Result};

/// Rows of a Panorama list whose levels lie together, where the file does not say it: Faiss up to
/// 1.14.
const PANORAMA_ROWS: usize = 128;

/// All lists of an index.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Lists, empty ones too.
    pub count: u64,
    /// Those that hold rows, in order. There may be millions: whoever needs them shares them.
    pub filled: Arc<Vec<Run>>,
    /// The file that they lie in, when it is another one.
    pub elsewhere: Option<OnDisk>,
    /// Levels, and rows whose levels lie together, when codes are cut into levels.
    pub panorama: Option<(usize, usize)>,
}

/// Rows whose codes lie one after the other: those of a list, or of an index that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Number of its first row, over all runs.
    pub first_row: u64,
    /// Rows.
    pub rows: usize,
    /// Byte at which the codes begin.
    pub codes: usize,
    /// Byte at which the ids begin; none where rows are numbered.
    pub ids: Option<usize>,
    /// Number of its list, which is that of its centroid.
    pub list: u64,
}

/// A file of lists beside the index (`OnDiskInvertedLists`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// Its path, as the index has it.
    pub path: String,
    /// Its bytes.
    pub size: u64,
}

impl Lists {
    /// Reads the lists of an index of `count` lists, whose rows have codes of `code_size` bytes.
    pub fn read(cursor: &mut Cursor<'_>, count: u64, code_size: usize) -> Result<Lists> {
        let at = cursor.position();
        let tag = cursor.fourcc()?;
        let panorama = match &tag.0 {
            b"ilar" => false,
            b"ilpn" | b"ilp2" => true,
            b"ilod" => return on_disk(cursor, count, code_size),
            b"il00" => {
                return Err(Error::source("The inverted lists are not in the file")
                    .at(format!("byte {at}"))
                    .help("write the whole index with faiss.write_index"));
            }
            _ => {
                return Err(Error::source(format!("`{tag}` is no kind of inverted lists that can be read"))
                    .at(format!("byte {at}"))
                    .help("write the index with the lists in the file itself, or on disk (OnDiskInvertedLists)"));
            }
        };
        sizes_fit(cursor, count, code_size)?;
        let panorama = match panorama {
            true => Some(panorama_form(cursor, tag, code_size)?),
            false => None,
        };
        let sizes = Sizes::read(cursor, count)?;
        // No more than there can be behind here: each has codes and ids.
        let possible = (cursor.bytes().len() - cursor.position()) / code_size.saturating_add(8);
        let count_filled = sizes.filled(cursor.bytes()).count();
        let mut filled = Vec::with_capacity(count_filled.min(possible));
        let mut first_row = 0;
        for (list, rows) in sizes.filled(cursor.bytes()) {
            let stored = match panorama {
                Some((_, batch)) => rows.div_ceil(batch as u64).saturating_mul(batch as u64),
                None => rows,
            };
            let codes = cursor.extent(stored, code_size, "a list's codes")?;
            let ids = cursor.extent(rows, 8, "a list's ids")?;
            if let Some((levels, _)) = panorama {
                let sums = stored.saturating_mul((levels as u64).saturating_add(1));
                cursor.extent(sums, 4, "a list's sums")?;
            }
            let (rows, codes, ids) = (ids.count, codes.start, Some(ids.start));
            filled.push(Run { first_row, rows, codes, ids, list });
            first_row += rows as u64;
        }
        Ok(Lists { count, filled: Arc::new(filled), elsewhere: None, panorama })
    }

    /// Passes over the lists of a fast-scan index (`BlockInvertedLists`), or of any other kind.
    pub fn skip(cursor: &mut Cursor<'_>, count: u64, code_size: usize) -> Result<()> {
        let tag = cursor.bytes().get(cursor.position()..).and_then(|rest| rest.get(..4));
        if tag != Some(b"ilbl") {
            return Lists::read(cursor, count, code_size).map(|_| ());
        }
        cursor.fourcc()?;
        let at = cursor.position();
        let stated = cursor.u64("the inverted lists")?;
        for _ in 0..3 {
            cursor.u64("the inverted lists")?;
        }
        if stated != count {
            return Err(wrong("The number of inverted lists", stated, at));
        }
        for _ in 0..count {
            cursor.list(8, "a list's ids")?;
            cursor.list(1, "a list's codes")?;
        }
        Ok(())
    }
}

fn panorama_form(cursor: &mut Cursor<'_>, tag: FourCc, code_size: usize) -> Result<(usize, usize)> {
    let at = cursor.position();
    let levels = cursor.size("The number of Panorama levels")?;
    let batch = match tag.0 == *b"ilp2" {
        true => cursor.size("The number of rows of a Panorama batch")?,
        false => PANORAMA_ROWS,
    };
    if levels == 0 || batch == 0 {
        return Err(wrong(
            "The form of the Panorama lists",
            format!("{levels} levels of {batch} rows"),
            at,
        ));
    }
    // The first Faiss versions with this layout laid out a narrower last level in another way, and
    // nothing in the file tells them from those after.
    if tag.0 == *b"ilpn" && !(code_size / 4).is_multiple_of(levels) {
        return Err(Error::source(format!(
            "Panorama lists with {levels} levels of {} dimensions can't be read: versions of Faiss differ in where they put the last level",
            code_size / 4
        ))
        .at(format!("byte {at}"))
        .help("load the index with the Faiss that wrote it, and write its vectors as a Flat index"));
    }
    Ok((levels, batch))
}

fn sizes_fit(cursor: &mut Cursor<'_>, count: u64, code_size: usize) -> Result<()> {
    let at = cursor.position();
    let stated = cursor.u64("the inverted lists")?;
    if stated != count {
        return Err(wrong("The number of inverted lists", stated, at));
    }
    let stated = cursor.u64("the inverted lists")?;
    if stated != code_size as u64 {
        return Err(wrong("The code size of the inverted lists", stated, at + 8));
    }
    Ok(())
}

/// How many rows each list has, as the file says it.
enum Sizes {
    /// A number for each list.
    Full(Extent),
    /// Numbers for some.
    Sparse(BTreeMap<u64, u64>),
}

impl Sizes {
    fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<Sizes> {
        let at = cursor.position();
        let tag = cursor.fourcc()?;
        let sizes = cursor.list(8, "the sizes of the lists")?;
        match &tag.0 {
            b"full" if sizes.count as u64 == count => Ok(Sizes::Full(sizes)),
            b"sprs" if sizes.count.is_multiple_of(2) => {
                let value = |index| u64_at(&cursor.bytes()[sizes.range()], index).unwrap_or(0);
                let mut some = BTreeMap::new();
                for pair in 0..sizes.count / 2 {
                    let number = value(2 * pair);
                    if number >= count {
                        return Err(wrong("The number of a list", number, sizes.start + 16 * pair));
                    }
                    some.insert(number, value(2 * pair + 1));
                }
                Ok(Sizes::Sparse(some))
            }
            b"full" | b"sprs" => Err(wrong("The number of list sizes", sizes.count, at + 4)),
            _ => Err(wrong("The form of the list sizes", format!("`{tag}`"), at)),
        }
    }

    /// Number and rows of the lists that have any.
    fn filled(&self, bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
        let (full, sparse) = match self {
            Sizes::Full(sizes) => (Some(sizes), None),
            Sizes::Sparse(sizes) => (None, Some(sizes)),
        };
        let full = full.into_iter().flat_map(move |sizes| {
            let values = &bytes[sizes.range()];
            (0..sizes.count).map(move |n| (n as u64, u64_at(values, n).unwrap_or(0)))
        });
        let sparse = sparse.into_iter().flatten().map(|(&list, &rows)| (list, rows));
        full.chain(sparse).filter(|(_, rows)| *rows > 0)
    }
}

/// Size, capacity and offset of a list: three numbers each.
const ON_DISK_LIST: usize = 24;

fn on_disk(cursor: &mut Cursor<'_>, count: u64, code_size: usize) -> Result<Lists> {
    sizes_fit(cursor, count, code_size)?;
    let at = cursor.position();
    let lists = cursor.list(ON_DISK_LIST, "the table of lists")?;
    cursor.list(16, "the table of free slots")?;
    let path = cursor.list(1, "the name of the data file")?;
    let size = cursor.u64("the size of the data file")?;
    if lists.count as u64 != count {
        return Err(wrong("The number of inverted lists", lists.count, at));
    }
    let path = String::from_utf8(cursor.bytes()[path.range()].to_vec())
        .map_err(|_| wrong("The name of the data file", "not UTF-8", path.start))?;
    let table = &cursor.bytes()[lists.range()];
    let value = |list: usize, n| u64_at(table, list * 3 + n).unwrap_or(0);
    let count_filled = (0..lists.count).filter(|&list| value(list, 0) > 0).count();
    let mut filled = Vec::with_capacity(count_filled);
    let mut first_row = 0u64;
    for list in 0..lists.count {
        let (rows, capacity, offset) = (value(list, 0), value(list, 1), value(list, 2));
        if rows == 0 {
            continue;
        }
        let codes = capacity.checked_mul(code_size as u64);
        let ids = codes.and_then(|codes| codes.checked_add(offset));
        let end = rows.checked_mul(8).zip(ids).and_then(|(bytes, ids)| ids.checked_add(bytes));
        match (ids, end) {
            (Some(ids), Some(end)) if rows <= capacity && end <= size => {
                filled.push(Run {
                    first_row,
                    rows: usize::try_from(rows).unwrap_or(usize::MAX),
                    codes: usize::try_from(offset).unwrap_or(usize::MAX),
                    ids: Some(usize::try_from(ids).unwrap_or(usize::MAX)),
                    list: list as u64,
                });
                // The lists may claim the same place of a file that isn't there.
                first_row = first_row.saturating_add(rows);
            }
            _ => {
                let at = lists.start + list * ON_DISK_LIST;
                return Err(wrong("The place of a list", format!("{rows} rows at {offset}"), at));
            }
        }
    }
    let filled = Arc::new(filled);
    Ok(Lists { count, filled, elsewhere: Some(OnDisk { path, size }), panorama: None })
}
