//! What happens to a target, by mode.

use super::target::Found;
use crate::error::{Error, Result};
use crate::sink::server::Target;
use crate::sink::{Decision, Mode};

/// What the mode says; a name that is an alias is not overwritten.
pub(super) fn decide(mode: Mode, target: &Target, found: &Found) -> Result<Decision> {
    let decision = target.decide(mode, found.exists(target))?;
    let own_name = found.collection.as_ref().map(|collection| collection.name.as_str());
    if decision == Decision::Overwrite
        && target.whole
        && own_name != Some(target.collection.as_str())
    {
        return Err(Error::config(format!(
            "`{}` is an alias of the collection `{}`, and would point nowhere once that is dropped",
            target.collection,
            own_name.unwrap_or_default()
        ))
        .help("name the collection itself to overwrite it"));
    }
    Ok(decision)
}
