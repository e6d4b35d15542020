//! Who owns a target: one run at a time.
//!
//! A run *marks* each target before it looks at it, and takes the mark away when it is done. A second
//! run finds the mark and is refused. Marks lie at the target itself, so they work for runs on
//! different machines, from different sources, and with different state folders.
//!
//! | file | holds |
//! |---|---|
//! | `run_id` | what tells one run from another |
//! | `process` | the process that works for a run, and whether it is alive |
//! | `mark` | what a mark says |
//! | `store` | the few operations that a target must offer to be marked |
//! | `folder` | marks in folders and buckets |
//! | `claim` | taking a mark: who wins, and who may take it over |
//! | `watch` | telling from outside whether the runs of other machines are at work |
//! | `hold` | the marks of a run at work: all are taken, or none |
//! | `renew` | they are renewed, and a lost one stops the run |
//! | `give_back` | what becomes of them when the run ends |
//! | `owner` | for whom a sink works |
//! | `error` | what a refused run says |
//!
//! **How a mark is taken.** Marks of a target are numbered, and a target creates each number only
//! once (`O_EXCL` in a folder, `If-None-Match: *` in a bucket, a collection of that name on a
//! server). The highest number holds. A run that takes over from number *n* creates *n* + 1; of
//! several that try at once, one succeeds. Each looks once more after that: a run that was slow, and
//! created a number that has been passed, withdraws.
//!
//! **Alive or dead.** The holder renews its mark every ten seconds ([`BEAT`]). One that was not
//! renewed for two minutes ([`SILENT`]) counts as dead, as does one whose process is known to be
//! gone; what a dead run left stays, until it is resumed or the mark is taken over on request. A
//! holder that could not renew its mark for a minute sends nothing until it has seen that the mark
//! is still its own.

mod claim;
mod error;
mod folder;
mod give_back;
mod hold;
mod mark;
mod owner;
mod process;
mod renew;
mod run_id;
mod store;
mod watch;

use std::time::Duration;

pub use claim::Claim;
use claim::Continuity;
pub use error::{held, state_of};
pub use folder::{FolderMarks, is_mark};
pub use give_back::{End, all_given_back};
pub use hold::Hold;
pub use mark::{Beat, Mark, Placed, State};
pub use owner::{Owner, OwnerCell};
pub use process::Process;
pub use run_id::{began, is_run_id, new_run_id};
pub use store::{Created, MarkStore};

/// How often a holder renews its marks.
pub const BEAT: Duration = Duration::from_secs(10);
/// A mark that was not renewed for so long is that of a dead run.
pub const SILENT: Duration = Duration::from_secs(120);
/// How long a holder goes on without having renewed its marks.
pub const UNSURE: Duration = Duration::from_secs(60);
