//! `pipeline inspect`.

use crate::cli::args::InspectArgs;
use crate::error::{Error, Result};

pub(super) fn inspect(_: &InspectArgs) -> Result<u8> {
    Err(Error::internal("not built"))
}
