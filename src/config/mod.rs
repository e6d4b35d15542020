//! The YAML: native form, MilvusDM form, environment, diagnostics with line and column. It asks no server, and
//! reads no file but the configuration and those of secrets.
//!
//! ```text
//!  text ─► tree ─► --set ─► ${NAME} ─► (MilvusDM's form ─► native form) ─► Config ─► checks
//! ```
//!
//! Every value of the tree knows where it was written, so that whatever is wrong, and however late
//! it is found, can be shown there.

mod check;
mod de;
mod de_error;
mod diagnostic;
mod env;
mod load;
mod mask;
mod matter;
mod milvusdm;
mod native;
mod schema;
mod secret;
mod set;
mod size;
mod tree;
mod yaml;

pub use env::Lookup;
pub use load::{Form, Loaded, Text, parse};
pub use mask::key_of_secret;
pub use milvusdm::Task;
pub use native::{Config, PARALLELISM, RunConfig, StageConfig};
pub use schema::json_schema;
pub use secret::Secret;
pub use size::Size;
