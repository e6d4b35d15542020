//! Other people's software, as the judge of files.

use std::ffi::OsStr;
use std::process::Command;

/// Runs Python with these arguments, and gives what it printed.
pub fn python<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let python = std::env::var_os("VECPIPE_PYTHON").expect(
        "VECPIPE_PYTHON must name a Python with the packages of scripts/requirements/tests.txt; \
         scripts/test sets it",
    );
    let done = Command::new(python).args(arguments).output().expect("Python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("Python prints UTF-8")
}
