//! `pipeline run`.

use crate::cli::args::{LogArgs, RunArgs};
use crate::error::{Error, Result};

pub(super) fn run(_: &RunArgs, _: &LogArgs) -> Result<u8> {
    Err(Error::internal("not built"))
}
