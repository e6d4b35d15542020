//! The transforms of one table, in order.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::{Place, TableSchema};
use crate::transform::dedupe::Keep;
use crate::transform::{IdEffect, NewIds, SplitContext, Transform, TransformFactory};

/// The transforms of one table, prepared for its schema. Cloning shares them.
#[derive(Clone, Default)]
pub struct Chain(Vec<Arc<dyn Transform>>);

impl Chain {
    /// Prepares transforms for a table of this schema; gives the schema that comes out too.
    ///
    /// # Errors
    /// When one of them can't be applied, or stands twice where once is all that makes sense.
    pub fn plan(
        factories: &[Box<dyn TransformFactory>],
        input: &TableSchema,
    ) -> Result<(Chain, TableSchema)> {
        Chain::default().followed_by(factories, input)
    }

    /// The same with more of them behind these, which give tables of this schema.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn followed_by(
        self,
        factories: &[Box<dyn TransformFactory>],
        schema: &TableSchema,
    ) -> Result<(Chain, TableSchema)> {
        let Chain(mut transforms) = self;
        let mut schema = schema.clone();
        for factory in factories {
            let at = |error: Error| error.at(format!("transform {}", factory.kind()));
            let transform = factory.plan(&schema).map_err(at)?;
            // Rows are left out in one place, and one file tells new ids from old ones.
            if transforms.iter().any(|other| same_sort(other.ids(), transform.ids())) {
                let twice = format!("The transform `{}` stands twice", factory.kind());
                return Err(at(Error::config(twice).help("once is enough: leave one of them out")));
            }
            schema = transform.output().clone();
            transforms.push(Arc::from(transform));
        }
        Ok((Chain(transforms), schema))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when rows pass as they are.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes a batch through all of them.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply(&self, batch: Batch, cx: &SplitContext) -> Result<Batch> {
        self.0.iter().try_fold(batch, |batch, transform| transform.apply(batch, cx))
    }

    /// True when one of them writes something beside the table.
    pub fn writes_beside(&self) -> bool {
        self.0.iter().any(|transform| transform.writes_beside())
    }

    /// Called when all rows of the split at `place` have passed.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn finish_split(&self, place: &Place) -> Result<()> {
        self.0.iter().try_for_each(|transform| transform.finish_split(place))
    }

    /// Passes a batch of ids alone through the first `steps` of them.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply_ids(&self, steps: usize, ids: Batch, cx: &SplitContext) -> Result<Batch> {
        self.0.iter().take(steps).try_fold(ids, |ids, transform| transform.apply_ids(ids, cx))
    }

    /// The transform that leaves out rows whose id occurs again: its place, and which row it keeps.
    pub fn dedupe(&self) -> Option<(usize, Keep)> {
        self.0.iter().enumerate().find_map(|(n, transform)| match transform.ids() {
            IdEffect::Dedupe(keep) => Some((n, keep)),
            _ => None,
        })
    }

    /// True when no two ids that come out are the same, whatever goes in.
    pub fn makes_unique(&self) -> bool {
        self.0.iter().fold(false, |unique, transform| match transform.ids() {
            IdEffect::Same | IdEffect::New(NewIds::OneToOne) => unique,
            IdEffect::Dedupe(_) | IdEffect::New(NewIds::Unique) => true,
            IdEffect::New(NewIds::Hashed) => false,
        })
    }

    /// What becomes of ids, if they don't stay.
    pub fn new_ids(&self) -> Option<NewIds> {
        self.0.iter().find_map(|transform| match transform.ids() {
            IdEffect::New(ids) => Some(ids),
            _ => None,
        })
    }
}

fn same_sort(one: IdEffect, other: IdEffect) -> bool {
    matches!(
        (one, other),
        (IdEffect::Dedupe(_), IdEffect::Dedupe(_)) | (IdEffect::New(_), IdEffect::New(_))
    )
}
