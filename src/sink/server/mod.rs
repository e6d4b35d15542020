//! What the sinks that write to servers share.

mod conflict;
mod ids;
mod ids_file;
mod late_note;
mod limit;
mod names;
mod request_size;
mod requests;
mod resume;
mod target;

pub(crate) use conflict::Clash;
pub use conflict::{OnConflict, OnDuplicateId};
pub(crate) use ids::without;
pub(crate) use ids_file::IdsFile;
pub(crate) use late_note::late_note;
pub(crate) use names::{NAME_RULE, check_name, is_name, refused};
pub(crate) use requests::{Intake, TakesRows};
pub(crate) use resume::{cannot_tell, is_gone};
pub(crate) use target::{Claims, Target};
