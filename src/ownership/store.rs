//! The few operations that a target must offer to be marked.

use async_trait::async_trait;

use super::{Beat, Mark, Placed};
use crate::error::Result;

/// What became of an attempt to create a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was created by this attempt.
    Yes,
    /// The number was there already.
    No,
    /// The account may not create it, in the target's own words: the target can't be marked.
    Denied(String),
}

/// Where the marks of one target lie.
#[async_trait]
pub trait MarkStore: Send + Sync {
    /// The target, for people, which is also what tells two of them apart: `folder out/news`.
    fn target(&self) -> String;

    /// The marks that are there, in the order of their numbers.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn list(&self) -> Result<Vec<Placed>>;

    /// Creates the mark with this number, unless there is one.
    ///
    /// # Errors
    /// When the target refuses.
    async fn create(&self, number: u32, mark: &Mark) -> Result<Created>;

    /// Renews the mark with this number.
    ///
    /// # Errors
    /// When the target refuses.
    async fn beat(&self, number: u32, beat: &Beat) -> Result<()>;

    /// Removes the mark with this number. That it is gone already is as good.
    ///
    /// # Errors
    /// When the target refuses.
    async fn remove(&self, number: u32) -> Result<()>;
}
