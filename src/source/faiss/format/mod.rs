//! The form of Faiss index files: which parts there are, and where in the file their values lie.
//!
//! Written from Faiss's own reader (`faiss/impl/index_read.cpp`, versions 1.5 to 1.15). Every part
//! begins with four letters; all numbers are little-endian; a list begins with its length in
//! values. Nothing is read here but headers: lists are checked to lie in the file, and left there.

mod cursor;
mod graph;
mod lists;
mod quantizer;
mod tags;
mod transform;

use self::cursor::wrong;
pub use self::cursor::{Cursor, Extent, FourCc};
pub use self::lists::{Lists, Run};
pub use self::quantizer::{Codec, Product, Scalar, ScalarKind};
pub use self::tags::is_index;
use self::tags::refused;
pub use self::transform::{Step, Transform};
use crate::error::{Error, Result};
use crate::table::Metric;

/// Parts within parts, at most. Real files have four or five.
const MAX_DEPTH: usize = 16;
/// Dimensions, at most: Faiss's own limit.
const MAX_DIM: usize = 1 << 20;

/// An index, or one within another.
#[derive(Debug, Clone)]
pub struct Index {
    /// The letters that it begins with.
    pub tag: FourCc,
    /// Byte that it begins at.
    pub position: usize,
    /// Its name, as Faiss users know it.
    pub name: &'static str,
    /// What it says of itself.
    pub header: Header,
    /// What it holds.
    pub body: Body,
}

/// What every index says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// Dimensions; bits for binary vectors.
    pub dim: usize,
    /// Rows (`ntotal`).
    pub rows: u64,
    /// True once the index was trained.
    pub is_trained: bool,
    /// The metric; none for a number that no Faiss up to 1.15 has.
    pub metric: Option<Metric>,
    /// The metric's argument, the power of [`Metric::Lp`].
    pub metric_argument: f32,
}

/// What an index holds.
#[derive(Debug, Clone)]
pub enum Body {
    /// Rows one after the other, without ids.
    Codes {
        /// A code for each row.
        codes: Extent,
        /// What a code is.
        codec: Codec,
    },
    /// Rows in inverted lists, with ids.
    Ivf(Box<Ivf>),
    /// Another index, and an id for each of its rows.
    IdMap {
        /// 64-bit ids.
        ids: Extent,
        /// The index.
        inner: Box<Index>,
    },
    /// A graph over the rows of another index.
    Graph(Box<Index>),
    /// Another index, of vectors that were transformed before.
    PreTransform {
        /// The steps, in the order in which they were done.
        chain: Vec<Transform>,
        /// The index.
        inner: Box<Index>,
    },
    /// An index for the first look, and a finer one of the same rows.
    Refine {
        /// The coarse one.
        base: Box<Index>,
        /// The finer one.
        refined: Box<Index>,
    },
    /// Vectors that are put together from any centroid of each part: those of a coarse quantizer.
    Grid(Product),
    /// Something whose vectors are not read, and why.
    Opaque(&'static str),
}

/// What an IVF index holds.
#[derive(Debug, Clone)]
pub struct Ivf {
    /// The index of the lists' centroids.
    pub quantizer: Index,
    /// The lists.
    pub lists: Lists,
    /// What a code is.
    pub codec: Codec,
    /// True when a code is of the difference to the list's centroid.
    pub of_residuals: bool,
    /// Rows that have the vector of another one: pairs of that one's id and their own.
    pub duplicates: Option<Extent>,
    /// How the index finds rows by id; makes no difference here.
    pub direct_map: &'static str,
}

impl Index {
    /// Reads the index that the file begins with.
    ///
    /// # Errors
    /// When the file is damaged, or holds a part that can't even be passed over.
    pub fn read(bytes: &[u8]) -> Result<Index> {
        read(&mut Cursor::new(bytes), 0)
    }

    /// True for an index of packed bits.
    pub fn is_binary(&self) -> bool {
        self.tag.0.starts_with(b"IB")
    }
}

fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Index> {
    let position = cursor.position();
    if depth >= MAX_DEPTH {
        return Err(wrong("The nesting", format!("deeper than {MAX_DEPTH} indexes"), position));
    }
    let tag = cursor.fourcc()?;
    let (name, header, body) = match &tag.0 {
        b"IxFl" | b"IxFI" | b"IxF2" => {
            let header = read_header(cursor)?;
            let codes = cursor.list(4, "the vectors")?;
            ("Flat", header, in_rows(header, codes, header.dim * 4, Codec::Float)?)
        }
        b"IxFP" | b"IxFp" => flat_panorama(cursor, if tag.0 == *b"IxFP" { 1 } else { 0 })?,
        b"IxSQ" => scalar(cursor)?,
        b"IxPQ" | b"IxPo" | b"IxPq" => product(cursor, tag)?,
        b"IxMp" => id_map(cursor, "IDMap", depth)?,
        b"IxM2" => id_map(cursor, "IDMap2", depth)?,
        b"IBMp" => id_map(cursor, "BinaryIDMap", depth)?,
        b"IBM2" => id_map(cursor, "BinaryIDMap2", depth)?,
        b"IxPT" => pre_transform(cursor, depth)?,
        b"IxRF" => refine(cursor, "Refine", depth)?,
        b"IxRP" => refine(cursor, "RefinePanorama", depth)?,
        b"IHNf" | b"IHNp" | b"IHNs" | b"IHN2" | b"IHNc" | b"IHc2" | b"IHfP" => {
            hnsw(cursor, tag, depth)?
        }
        b"INSf" | b"INSp" | b"INSs" => nsg(cursor, depth)?,
        b"INNf" => {
            let header = read_header(cursor)?;
            graph::skip_nndescent(cursor)?;
            ("NNDescent", header, Body::Graph(Box::new(read(cursor, depth + 1)?)))
        }
        b"IwFl" | b"IwFd" | b"IwPn" | b"IwP2" | b"IwSQ" | b"IwSq" | b"IwPQ" | b"IwPf" => {
            ivf(cursor, tag, depth)?
        }
        b"IPfs" => {
            let header = read_header(cursor)?;
            Product::read(cursor, header.dim)?;
            cursor.skip(3 * 4 + 2 * 8, "the fast-scan index")?;
            cursor.list(1, "the fast-scan codes")?;
            opaque(header, tag)
        }
        b"Imiq" => {
            let header = read_header(cursor)?;
            ("MultiIndexQuantizer", header, Body::Grid(Product::read(cursor, header.dim)?))
        }
        b"IxHE" | b"IxHe" => {
            let header = read_header(cursor)?;
            cursor.skip(4 + 1 + 1, "the LSH index")?;
            cursor.list(4, "the LSH thresholds")?;
            cursor.i32("the LSH index")?;
            Transform::read(cursor, depth)?;
            cursor.list(1, "the LSH codes")?;
            opaque(header, tag)
        }
        b"ImRQ" => {
            let header = read_header(cursor)?;
            skip_residual_quantizer(cursor)?;
            cursor.f32("the residual quantizer")?;
            opaque(header, tag)
        }
        b"IBxF" => {
            let (header, code_size) = read_binary_header(cursor)?;
            let codes = cursor.list(1, "the vectors")?;
            ("BinaryFlat", header, in_rows(header, codes, code_size, Codec::Bits)?)
        }
        b"IBHf" => {
            let (header, _) = read_binary_header(cursor)?;
            graph::skip_hnsw(cursor)?;
            ("BinaryHNSW", header, Body::Graph(Box::new(read(cursor, depth + 1)?)))
        }
        b"IBHc" => {
            let (header, _) = read_binary_header(cursor)?;
            cursor.skip(2 + 4, "the CAGRA graph")?;
            graph::skip_hnsw(cursor)?;
            ("BinaryHNSWCagra", header, Body::Graph(Box::new(read(cursor, depth + 1)?)))
        }
        b"IBwF" => ivf(cursor, tag, depth)?,
        _ => return Err(not_read(tag, position)),
    };
    Ok(Index { tag, position, name, header, body })
}

/// The error for a part that can't be read or passed over.
fn not_read(tag: FourCc, position: usize) -> Error {
    match refused(tag.0) {
        Some((name, why)) => Error::source(format!("A {name} index (`{tag}`) can't be read: {why}"))
            .help("move the vectors from where the index was made of, or from an index that holds them; docs/formats/faiss.md lists which do"),
        None => Error::source(format!("`{tag}` is no Faiss index that is known here"))
            .help("the file is damaged, no Faiss index, or of a Faiss newer than 1.15"),
    }
    .at(format!("byte {position}"))
}

type Parts = (&'static str, Header, Body);

fn opaque(header: Header, tag: FourCc) -> Parts {
    let (name, why) = refused(tag.0).unwrap_or(("unknown", "it is not known here"));
    (name, header, Body::Opaque(why))
}

/// A dimension.
fn read_dim(cursor: &mut Cursor<'_>) -> Result<usize> {
    let at = cursor.position();
    let dim = cursor.i32("the header")?;
    match usize::try_from(dim) {
        Ok(dim) if dim <= MAX_DIM => Ok(dim),
        _ => Err(wrong("The dimension", dim, at)),
    }
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<Header> {
    let dim = read_dim(cursor)?;
    let rows = read_rows(cursor)?;
    // Two numbers without a meaning.
    cursor.skip(16, "the header")?;
    let is_trained = cursor.u8("the header")? != 0;
    let number = cursor.i32("the header")?;
    let metric_argument = if number > 1 { cursor.f32("the header")? } else { 0.0 };
    Ok(Header { dim, rows, is_trained, metric: metric_of(number), metric_argument })
}

fn read_rows(cursor: &mut Cursor<'_>) -> Result<u64> {
    let at = cursor.position();
    let rows = cursor.u64("the header")?;
    if i64::try_from(rows).is_err() {
        return Err(wrong("The number of rows", rows.cast_signed(), at));
    }
    Ok(rows)
}

/// A metric by Faiss's number, `MetricType`.
fn metric_of(number: i32) -> Option<Metric> {
    Some(match number {
        0 => Metric::IP,
        1 => Metric::L2,
        2 => Metric::L1,
        3 => Metric::Linf,
        4 => Metric::Lp,
        20 => Metric::Canberra,
        21 => Metric::BrayCurtis,
        22 => Metric::JensenShannon,
        23 => Metric::RealJaccard,
        24 => Metric::NanEuclidean,
        25 => Metric::Gower,
        _ => return None,
    })
}

/// The header of a binary index, and the bytes of a row.
fn read_binary_header(cursor: &mut Cursor<'_>) -> Result<(Header, usize)> {
    let at = cursor.position();
    let (header, code_size) = binary_header(cursor)?;
    match header.dim.is_multiple_of(8) && code_size == header.dim / 8 {
        true => Ok((header, code_size)),
        false => {
            let size = format!("{code_size} bytes for {} bits", header.dim);
            Err(wrong("The size of a binary vector", size, at))
        }
    }
}

fn binary_header(cursor: &mut Cursor<'_>) -> Result<(Header, usize)> {
    let dim = read_dim(cursor)?;
    let code_size = usize::try_from(cursor.i32("the header")?).unwrap_or(usize::MAX);
    let rows = read_rows(cursor)?;
    let is_trained = cursor.u8("the header")? != 0;
    // Binary indexes know one metric only; the number has no meaning.
    cursor.i32("the header")?;
    let metric = Some(Metric::Hamming);
    Ok((Header { dim, rows, is_trained, metric, metric_argument: 0.0 }, code_size))
}

/// Codes that must be as many as the header's rows.
fn in_rows(header: Header, stored: Extent, code_size: usize, codec: Codec) -> Result<Body> {
    let bytes = stored.count * stored.width;
    if header.rows.checked_mul(code_size as u64) != Some(bytes as u64) {
        return Err(Error::source(format!(
            "The index says {} rows of {code_size} bytes, but holds {bytes} bytes of them",
            header.rows
        ))
        .at(format!("byte {}", stored.start))
        .help("the file is damaged"));
    }
    let count = bytes.checked_div(code_size).unwrap_or(0);
    Ok(Body::Codes { codes: Extent { start: stored.start, count, width: code_size }, codec })
}

fn flat_panorama(cursor: &mut Cursor<'_>, metric: i32) -> Result<Parts> {
    let dim = read_dim(cursor)?;
    let at = cursor.position();
    let levels = cursor.size("The number of Panorama levels")?;
    let rows_together = cursor.size("The number of rows of a Panorama batch")?;
    if levels == 0 || rows_together == 0 {
        return Err(wrong(
            "The form of the Panorama index",
            format!("{levels} levels of {rows_together} rows"),
            at,
        ));
    }
    let rows = read_rows(cursor)?;
    let is_trained = cursor.u8("the header")? != 0;
    let codes = cursor.list(1, "the vectors")?;
    cursor.list(4, "the sums")?;
    let header = Header { dim, rows, is_trained, metric: metric_of(metric), metric_argument: 0.0 };
    // The last batch is as long as the others.
    let stored = rows.div_ceil(rows_together as u64).checked_mul(rows_together as u64);
    let padded = Header { rows: stored.unwrap_or(u64::MAX), ..header };
    let codec = Codec::Panorama { levels, rows: rows_together };
    Ok(("FlatPanorama", header, in_rows(padded, codes, dim * 4, codec)?))
}

fn scalar(cursor: &mut Cursor<'_>) -> Result<Parts> {
    let header = read_header(cursor)?;
    let scalar = Scalar::read(cursor, header.dim)?;
    let codes = cursor.list(1, "the codes")?;
    let body = match scalar {
        Ok(scalar) => {
            let code_size = scalar.code_size;
            in_rows(header, codes, code_size, Codec::Scalar(scalar))?
        }
        Err(_) => Body::Opaque(UNKNOWN_SCALAR),
    };
    Ok(("ScalarQuantizer", header, body))
}

const UNKNOWN_SCALAR: &str = "its kind of scalar quantizer is not decoded here";

fn product(cursor: &mut Cursor<'_>, tag: FourCc) -> Result<Parts> {
    let mut header = read_header(cursor)?;
    let product = Product::read(cursor, header.dim)?;
    let codes = cursor.list(1, "the codes")?;
    if tag.0 != *b"IxPQ" {
        // Type of search, whether signs are encoded, threshold.
        cursor.skip(4 + 1 + 4, "the product quantizer index")?;
    }
    if tag.0 != *b"IxPq" {
        // Old versions wrote IP whatever they meant; Faiss reads L2.
        header.metric = Some(Metric::L2);
    }
    let code_size = product.code_size;
    Ok(("PQ", header, in_rows(header, codes, code_size, Codec::Product(product))?))
}

fn id_map(cursor: &mut Cursor<'_>, name: &'static str, depth: usize) -> Result<Parts> {
    let header = match name.starts_with("Binary") {
        // Faiss up to 1.7 leaves the size of a vector out here.
        true => binary_header(cursor)?.0,
        false => read_header(cursor)?,
    };
    let inner = Box::new(read(cursor, depth + 1)?);
    let ids = cursor.list(8, "the ids")?;
    Ok((name, header, Body::IdMap { ids, inner }))
}

fn pre_transform(cursor: &mut Cursor<'_>, depth: usize) -> Result<Parts> {
    let header = read_header(cursor)?;
    let at = cursor.position();
    let steps = cursor.i32("the chain of transforms")?;
    if !(0..=64).contains(&steps) {
        return Err(wrong("The number of transforms", steps, at));
    }
    let mut chain = Vec::new();
    for _ in 0..steps {
        chain.push(Transform::read(cursor, depth)?);
    }
    let inner = Box::new(read(cursor, depth + 1)?);
    let ends = [header.dim].into_iter().chain(chain.iter().map(|step| step.dim_out));
    let starts = chain.iter().map(|step| step.dim_in).chain([inner.header.dim]);
    if !ends.eq(starts) {
        return Err(Error::source("The chain of transforms does not fit: each step must begin with the dimensions that the one before it ends with")
            .at(format!("byte {at}"))
            .help("the file is damaged"));
    }
    Ok(("PreTransform", header, Body::PreTransform { chain, inner }))
}

fn refine(cursor: &mut Cursor<'_>, name: &'static str, depth: usize) -> Result<Parts> {
    let header = read_header(cursor)?;
    let base = Box::new(read(cursor, depth + 1)?);
    let refined = Box::new(read(cursor, depth + 1)?);
    cursor.f32("the refinement")?;
    Ok((name, header, Body::Refine { base, refined }))
}

fn hnsw(cursor: &mut Cursor<'_>, tag: FourCc, depth: usize) -> Result<Parts> {
    let header = read_header(cursor)?;
    let name = match &tag.0 {
        b"IHfP" => {
            cursor.u64("the Panorama levels")?;
            cursor.list(4, "the sums")?;
            "HNSWPanorama"
        }
        b"IHNc" | b"IHc2" => {
            // Two flags and a number; the newer form has the type of the values, too.
            let more = if tag.0 == *b"IHc2" { 4 } else { 0 };
            cursor.skip(2 + 4 + more, "the CAGRA graph")?;
            "HNSWCagra"
        }
        _ => "HNSW",
    };
    graph::skip_hnsw(cursor)?;
    Ok((name, header, Body::Graph(Box::new(read(cursor, depth + 1)?))))
}

fn nsg(cursor: &mut Cursor<'_>, depth: usize) -> Result<Parts> {
    let header = read_header(cursor)?;
    // GK, the type of the build, and four numbers of it.
    cursor.skip(4 + 1 + 4 * 4, "the NSG graph")?;
    graph::skip_nsg(cursor)?;
    Ok(("NSG", header, Body::Graph(Box::new(read(cursor, depth + 1)?))))
}

fn ivf(cursor: &mut Cursor<'_>, tag: FourCc, depth: usize) -> Result<Parts> {
    let position = cursor.position();
    let (header, binary_size) = match &tag.0 {
        b"IBwF" => read_binary_header(cursor).map(|(header, size)| (header, Some(size)))?,
        _ => (read_header(cursor)?, None),
    };
    let count = cursor.u64("the number of lists")?;
    cursor.u64("the number of lists")?;
    let quantizer = read(cursor, depth + 1)?;
    let at = cursor.position();
    let direct_map = match cursor.u8("the direct map")? {
        0 => "none",
        1 => "array",
        2 => "hash table",
        other => return Err(wrong("The kind of the direct map", other, at)),
    };
    cursor.list(8, "the direct map")?;
    if direct_map == "hash table" {
        cursor.list(16, "the direct map")?;
    }
    let (mut of_residuals, mut duplicates) = (false, None);
    let (name, codec, code_size) = match &tag.0 {
        b"IBwF" => ("BinaryIVF", Codec::Bits, binary_size.unwrap_or(0)),
        b"IwFl" => ("IVFFlat", Codec::Float, header.dim * 4),
        b"IwFd" => {
            let at = cursor.position();
            let pairs = cursor.list(8, "the table of duplicates")?;
            if !pairs.count.is_multiple_of(2) {
                return Err(wrong("The length of the table of duplicates", pairs.count, at));
            }
            duplicates = Some(Extent { count: pairs.count / 2, width: 16, ..pairs });
            ("IVFFlatDedup", Codec::Float, header.dim * 4)
        }
        b"IwPn" | b"IwP2" => {
            // Levels and, in the newer form, rows of a batch: the lists say it again.
            cursor.skip(if tag.0 == *b"IwP2" { 16 } else { 8 }, "the Panorama index")?;
            ("IVFFlatPanorama", Codec::Float, header.dim * 4)
        }
        b"IwSQ" | b"IwSq" => {
            let scalar = Scalar::read(cursor, header.dim)?;
            let code_size = cursor.size("The code size")?;
            of_residuals = tag.0 == *b"IwSQ" || cursor.u8("the index")? != 0;
            match scalar {
                Ok(scalar) if scalar.code_size == code_size => {
                    ("IVFScalarQuantizer", Codec::Scalar(scalar), code_size)
                }
                Ok(_) => return Err(wrong("The code size", code_size, cursor.position())),
                Err(_) => {
                    Lists::skip(cursor, count, code_size)?;
                    return Ok(("IVFScalarQuantizer", header, Body::Opaque(UNKNOWN_SCALAR)));
                }
            }
        }
        b"IwPf" => {
            cursor.u8("the fast-scan index")?;
            let code_size = cursor.size("The code size")?;
            cursor.skip(4 + 8 + 4 + 4, "the fast-scan index")?;
            Product::read(cursor, header.dim)?;
            Lists::skip(cursor, count, code_size)?;
            return Ok(opaque(header, tag));
        }
        _ => {
            of_residuals = cursor.u8("the index")? != 0;
            let code_size = cursor.size("The code size")?;
            let product = Product::read(cursor, header.dim)?;
            if product.code_size != code_size {
                return Err(wrong("The code size", code_size, cursor.position()));
            }
            ("IVFPQ", Codec::Product(product), code_size)
        }
    };
    let lists = Lists::read(cursor, count, code_size)?;
    let codec = match lists.panorama {
        Some((levels, rows)) if codec == Codec::Float => Codec::Panorama { levels, rows },
        Some(_) => return Err(wrong("The kind of the lists", "that of another index", position)),
        None => codec,
    };
    let ivf = Ivf { quantizer, lists, codec, of_residuals, duplicates, direct_map };
    Ok((name, header, Body::Ivf(Box::new(ivf))))
}

/// Passes over a residual quantizer.
fn skip_residual_quantizer(cursor: &mut Cursor<'_>) -> Result<()> {
    const WHAT: &str = "the residual quantizer";
    cursor.skip(2 * 8, WHAT)?;
    cursor.list(8, WHAT)?;
    cursor.u8(WHAT)?;
    cursor.list(4, WHAT)?;
    let search_type = cursor.i32(WHAT)?;
    cursor.skip(2 * 4, WHAT)?;
    // Norms that are quantized, too: 6 to 9 have a table of theirs (of 4-byte values), 8 and 9
    // another one.
    if (6..=9).contains(&search_type) {
        cursor.list(4, WHAT)?;
    }
    if (8..=9).contains(&search_type) {
        cursor.list(4, WHAT)?;
    }
    cursor.skip(2 * 4, WHAT)
}
