//! The YAML: native form, MilvusDM form, environment, diagnostics with line and column. It knows
//! nothing of servers or files beyond the configuration file itself.

mod native;
mod secret;
mod size;

pub use native::{Config, RunConfig};
pub use secret::Secret;
pub use size::Size;
