//! `pipeline plan`.

use crate::cli::args::PlanArgs;
use crate::error::{Error, Result};

pub(super) fn plan(_: &PlanArgs) -> Result<u8> {
    Err(Error::internal("not built"))
}
