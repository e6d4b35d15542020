//! What happens to a target, by mode.

use super::target::Found;
use crate::error::{Error, Result};
use crate::sink::server::Target;
use crate::sink::{Decision, Mode};

/// The mode is about the partition where one was named, else about the collection.
pub(super) fn decide(mode: Mode, target: &Target, found: &Found) -> Result<Decision> {
    if !found.exists(target) {
        return Ok(Decision::Create);
    }
    match mode {
        Mode::Skip => Ok(Decision::Skip),
        Mode::Append => Ok(Decision::Append),
        Mode::Overwrite => {
            if target.is_default_partition() {
                return Err(Error::config(
                    "The default partition can't be overwritten: Milvus does not drop it",
                )
                .help("overwrite the collection (leave out the partition), or use a partition of another name"));
            }
            let own_name = found.collection.as_ref().map(|collection| collection.name.as_str());
            if target.whole && own_name != Some(target.collection.as_str()) {
                return Err(Error::config(format!(
                    "`{}` is an alias of the collection `{}`, and would point nowhere once that is dropped",
                    target.collection,
                    own_name.unwrap_or_default()
                ))
                .help("name the collection itself to overwrite it"));
            }
            Ok(Decision::Overwrite)
        }
    }
}
