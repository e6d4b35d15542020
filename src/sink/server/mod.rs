//! What the sinks that write to servers share.

mod conflict;
mod ids;
mod ids_file;
mod limit;
mod names;
mod request_size;
mod requests;
mod resume;
mod target;
mod timeouts;
mod uri;
mod wait;

pub(crate) use conflict::Clash;
pub use conflict::{OnConflict, OnDuplicateId};
pub(crate) use ids::without;
pub(crate) use ids_file::IdsFile;
pub(crate) use names::{MAX_NAME, check_name, refused};
pub(crate) use requests::{Intake, TakesRows};
pub(crate) use resume::{cannot_tell, is_gone};
pub(crate) use target::{Claims, Target};
pub use timeouts::Timeouts;
pub(crate) use uri::check_uri;
pub use wait::Wait;
