//! The binary `pipeline`: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vecpipe::cli::main()
}
