//! Where the rows of an index lie, whatever it is nested in: runs of codes, their ids, and what has
//! to be done to get vectors out of them.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::faiss::format::{
    Body, Codec, Extent, Index, Ivf, Lists, Product, Run, Step, Transform,
};
use crate::table::{Metric, VectorColumn, VectorType};

/// The rows of an index.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The vectors, as they come out in the end.
    pub column: VectorColumn,
    /// Dimensions of the vectors that the codes are of.
    pub code_dim: usize,
    /// What a code is.
    pub codec: Codec,
    /// Bytes of a code.
    pub code_size: usize,
    /// Rows in the order of the file.
    pub runs: Arc<Vec<Run>>,
    /// Rows in all runs.
    pub listed: u64,
    /// The file that the runs lie in, when it is another one: its path as the index has it, and
    /// its size.
    pub elsewhere: Option<(String, u64)>,
    /// The centroids, when the codes are of differences to them.
    pub centroids: Option<Centroids>,
    /// Rows with the vector of another one, after all runs: that one's id and their own.
    pub duplicates: Option<Extent>,
    /// Lists that give a row's id by its id within, the innermost first.
    pub id_maps: Vec<Extent>,
    /// Transforms that are to be undone, in this order.
    pub undo: Vec<Transform>,
    /// Why the vectors are not exactly those that the index was given; none when they are.
    pub lossy: Vec<String>,
}

/// The centroids of inverted lists, by the number of the list.
#[derive(Debug, Clone)]
pub enum Centroids {
    /// The rows of an index.
    Rows(Box<Layout>),
    /// A centroid of each part; the list's number says which, the first part in its lowest bits.
    Grid(Product),
}

impl Layout {
    /// How the rows of `index` lie.
    ///
    /// # Errors
    /// When the index, or one that it needs, does not hold vectors that can be had.
    pub fn of(index: &Index) -> Result<Layout> {
        let layout = Layout::resolve(index)?;
        if layout.column.dim == index.header.dim {
            return Ok(layout);
        }
        Err(Error::source(format!(
            "The {} index has {} dimensions, what it holds has {}",
            index.name, index.header.dim, layout.column.dim
        ))
        .at(format!("byte {}", index.position))
        .help("the file is damaged"))
    }

    fn resolve(index: &Index) -> Result<Layout> {
        let at = |error: Error| error.at(format!("byte {}", index.position));
        match &index.body {
            Body::Codes { codes, codec } => Ok(Layout::of_codes(index, *codes, codec)),
            Body::Ivf(ivf) => Layout::of_lists(index, ivf).map_err(at),
            Body::Graph(storage) => Layout::of(storage),
            Body::IdMap { ids, inner } => {
                let mut layout = Layout::of(inner)?;
                let numbered =
                    layout.id_maps.is_empty() && layout.runs.iter().all(|r| r.ids.is_none());
                if numbered && ids.count as u64 != layout.listed {
                    return Err(at(Error::source(format!(
                        "The {} has {} ids for {} rows",
                        index.name, ids.count, layout.listed
                    ))
                    .help("the file is damaged")));
                }
                layout.id_maps.push(*ids);
                Ok(layout)
            }
            Body::PreTransform { chain, inner } => {
                let mut layout = Layout::of(inner)?;
                for step in chain.iter().rev() {
                    if step.step == Step::NoInverse {
                        return Err(at(no_inverse(step)));
                    }
                    layout.lossy.push(format!("{} is undone as far as that goes", words_of(step)));
                    layout.undo.push(step.clone());
                }
                layout.column.dim = index.header.dim;
                Ok(layout)
            }
            Body::Refine { base, refined } => {
                let layout = Layout::of(refined)?;
                if base.header.rows != layout.listed {
                    return Err(at(Error::source(format!(
                        "The refined vectors are {}, the index below them has {} rows",
                        layout.listed, base.header.rows
                    ))
                    .help("the file is damaged")));
                }
                Ok(layout)
            }
            Body::Grid(_) => Err(at(Error::source(format!(
                "A {} index (`{}`) can't be read: it is a coarse quantizer and holds no rows",
                index.name, index.tag
            ))
            .help("docs/formats/faiss.md lists what can"))),
            Body::Opaque(why) => Err(at(Error::source(format!(
                "A {} index (`{}`) can't be read: {why}",
                index.name, index.tag
            ))
            .help("docs/formats/faiss.md lists what can"))),
        }
    }

    fn of_codes(index: &Index, codes: Extent, codec: &Codec) -> Layout {
        let rows = usize::try_from(index.header.rows).unwrap_or(usize::MAX);
        let run = Run { first_row: 0, rows, codes: codes.start, ids: None, list: 0 };
        Layout {
            runs: Arc::new(if rows > 0 { vec![run] } else { Vec::new() }),
            listed: rows as u64,
            code_size: codes.width,
            ..Layout::empty(index, codec)
        }
    }

    fn of_lists(index: &Index, ivf: &Ivf) -> Result<Layout> {
        let Lists { filled, elsewhere, .. } = &ivf.lists;
        let mut layout = Layout::empty(index, &ivf.codec);
        if ivf.of_residuals {
            let lists = filled.iter().map(|run| run.list + 1).max().unwrap_or(0);
            layout.centroids = Some(centroids_of(&ivf.quantizer, layout.column, lists)?);
        }
        let code_size = match &ivf.codec {
            Codec::Float | Codec::Panorama { .. } => index.header.dim * 4,
            Codec::Bits => index.header.dim / 8,
            Codec::Scalar(scalar) => scalar.code_size,
            Codec::Product(product) => product.code_size,
        };
        Ok(Layout {
            runs: Arc::clone(filled),
            listed: filled.last().map_or(0, |run| run.first_row.saturating_add(run.rows as u64)),
            code_size,
            elsewhere: elsewhere.as_ref().map(|file| (file.path.clone(), file.size)),
            duplicates: ivf.duplicates,
            ..layout
        })
    }

    fn empty(index: &Index, codec: &Codec) -> Layout {
        let vector_type = match codec {
            Codec::Bits => VectorType::Binary,
            _ => VectorType::Float32,
        };
        let lossy = match codec {
            Codec::Scalar(scalar) => {
                Some(format!("each dimension is a code ({})", scalar.kind.name()))
            }
            Codec::Product(product) => Some(format!(
                "vectors are product-quantised ({} parts of {} bits)",
                product.parts, product.bits
            )),
            Codec::Float | Codec::Bits | Codec::Panorama { .. } => None,
        };
        Layout {
            column: VectorColumn { vector_type, dim: index.header.dim },
            code_dim: index.header.dim,
            codec: codec.clone(),
            code_size: 0,
            runs: Arc::default(),
            listed: 0,
            elsewhere: None,
            centroids: None,
            duplicates: None,
            id_maps: Vec::new(),
            undo: Vec::new(),
            lossy: lossy.into_iter().collect(),
        }
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.listed.saturating_add(self.duplicates.map_or(0, |pairs| pairs.count as u64))
    }

    /// False for vectors, or codes of vectors, that have none: a file can claim any number of those.
    pub fn has_dimensions(&self) -> bool {
        self.column.dim > 0 && self.code_dim > 0
    }

    /// True when the rows carry no ids of their own.
    pub fn is_numbered(&self) -> bool {
        self.id_maps.is_empty() && self.runs.iter().all(|run| run.ids.is_none())
    }

    /// Bytes that a row takes while it is decoded, beside the vector that comes out.
    pub fn scratch_row_bytes(&self) -> usize {
        if self.undo.is_empty() { 0 } else { 2 * 4 * self.widest() }
    }

    fn widest(&self) -> usize {
        let steps = self.undo.iter().map(|step| step.dim_in.max(step.dim_out));
        steps.max().unwrap_or(0).max(self.code_dim)
    }
}

/// The centroids of the first `lists` lists.
fn centroids_of(quantizer: &Index, column: VectorColumn, lists: u64) -> Result<Centroids> {
    let unfit = || {
        Error::source(
            "The centroids, which the codes are relative to, can't be told from their index",
        )
        .at(format!("byte {}", quantizer.position))
        .help("docs/formats/faiss.md says which indexes are read")
    };
    if let Body::Grid(product) = &quantizer.body {
        let bits = product.bits.saturating_mul(product.parts);
        let fits = quantizer.header.dim == column.dim && bits <= 48 && lists <= 1 << bits;
        return fits.then(|| Centroids::Grid(product.clone())).ok_or_else(unfit);
    }
    let rows = Layout::of(quantizer)
        .map_err(|error| error.at("the index of the centroids, which the codes are relative to"))?;
    let fits = rows.centroids.is_none()
        && rows.is_numbered()
        && rows.column == column
        && rows.listed >= lists;
    fits.then(|| Centroids::Rows(Box::new(rows))).ok_or_else(unfit)
}

/// The error for a step that can't be undone.
pub fn no_inverse(step: &Transform) -> Error {
    Error::source(format!("{} can't be undone, so the vectors can't be had back", words_of(step)))
        .help("move the vectors from where the index was made of")
}

fn words_of(step: &Transform) -> String {
    match step.dim_in == step.dim_out {
        true => step.name.to_owned(),
        false => format!("{} {}→{}", step.name, step.dim_in, step.dim_out),
    }
}

/// How an index is nested, from the outside in.
pub fn nesting(index: &Index) -> String {
    let name = index.name;
    match &index.body {
        Body::Codes { codec, .. } => format!("{name}{}", codec_words(codec)),
        Body::Ivf(ivf) => format!("{name}{} nlist {}", codec_words(&ivf.codec), ivf.lists.count),
        Body::Graph(inner) | Body::IdMap { inner, .. } => format!("{name} → {}", nesting(inner)),
        Body::PreTransform { chain, inner } => {
            let steps: Vec<_> = chain.iter().map(words_of).collect();
            format!("{name}({}) → {}", steps.join(", "), nesting(inner))
        }
        Body::Refine { base, refined } => {
            format!("{name}({}) → {}", nesting(base), nesting(refined))
        }
        Body::Grid(product) => format!("{name} {}x{}", product.parts, product.bits),
        Body::Opaque(_) => name.to_owned(),
    }
}

fn codec_words(codec: &Codec) -> String {
    match codec {
        Codec::Float | Codec::Bits => String::new(),
        Codec::Panorama { levels, .. } => format!(" {levels} levels"),
        Codec::Scalar(scalar) => format!(" {}", scalar.kind.name()),
        Codec::Product(product) => format!(" {}x{}", product.parts, product.bits),
    }
}

/// What the file says of its metric.
pub fn metric_words(metric: Option<Metric>, argument: f32) -> String {
    match metric {
        Some(Metric::Lp) => format!("LP (p = {argument})"),
        Some(metric) => metric.to_string(),
        None => "unknown".to_owned(),
    }
}
