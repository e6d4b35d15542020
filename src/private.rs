//! Files and folders that only their owner may look into, whatever the umask: state, reports, logs,
//! lists of ids. What a sink writes for others to read is not made here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::process::geteuid;

use crate::error::{Error, Result};
use crate::store::{make_folder, sync_parent};

/// Others that may write to a folder: its group and everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Makes a folder, and those above it, durably; one that is there stays as it is.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    make_folder(path, |path| DirBuilder::new().recursive(true).mode(0o700).create(path))
}

/// Makes one folder where there must be none, durably.
pub(crate) fn new_folder(path: &Path) -> io::Result<()> {
    make_folder(path, |path| DirBuilder::new().mode(0o700).create(path))
}

/// Gives a durable file its name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// How a file is opened, and made where there is none. One that is there keeps its rights.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a file, or empties the one that is there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options().write(true).create(true).truncate(true).open(path)
}

/// Makes a file where there must be none.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Makes the folder for the state of runs, or takes the one that is there.
///
/// # Errors
/// As [`check_state_folder`], and when it can't be made.
pub(crate) fn state_folder(path: &Path) -> Result<()> {
    // Before, too: through a link, it would be made elsewhere.
    check_state_folder(path)?;
    folder(path).map_err(|error| {
        Error::config("Cannot make the folder for the state of runs")
            .because(error)
            .at(path.display())
            .help("set run.state_dir to a folder that this user may write to")
    })?;
    check_state_folder(path)
}

/// Checks that only this user can have written what is in the folder for the state of runs, if there is one: a
/// planted journal would have a run leave rows out, and a planted link would have it write elsewhere.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) for a link, for a folder of another user, and for one that others
/// may write to.
pub(crate) fn check_state_folder(path: &Path) -> Result<()> {
    let facts = match fs::symlink_metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Error::config("Cannot look at the folder for the state of runs")
                .because(error)
                .at(path.display()));
        }
    };
    let refused = |what: String, help: &str| {
        Err(Error::config(format!("The folder for the state of runs {what}"))
            .at(path.display())
            .help(help))
    };
    let (owner, user) = (facts.uid(), geteuid().as_raw());
    if facts.is_symlink() {
        return refused("is a link".to_owned(), "set run.state_dir to the folder that it leads to");
    }
    if owner != user {
        return refused(
            format!(
                "is of the user {owner}, and this program runs as {user}: what is in it could make a run leave rows out"
            ),
            "set run.state_dir to a folder of this user",
        );
    }
    if facts.mode() & OTHERS_WRITE != 0 {
        return refused(
            "may be written to by others: what they put there could make a run leave rows out"
                .to_owned(),
            "take that right from them (`chmod go-w`), or set run.state_dir to a folder below it, which is made for this user alone",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_state_folder_that_others_could_fill_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/state");
        state_folder(&state).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
        state_folder(&state).unwrap();
        for mode in [0o775, 0o757, 0o1777] {
            fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
            let told = state_folder(&state).unwrap_err().to_string();
            assert!(told.contains("may be written to by others"), "{told}");
        }
        let link = dir.path().join("link");
        symlink(dir.path().join("elsewhere"), &link).unwrap();
        let told = state_folder(&link).unwrap_err().to_string();
        assert!(told.contains("is a link"), "{told}");
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn a_state_folder_of_another_user_is_refused() {
        // Whoever runs the tests, one of the two is of another user.
        let refused = ["/", "/proc/self"].map(|path| check_state_folder(Path::new(path)).is_err());
        assert!(geteuid().is_root() || refused[0], "{refused:?}");
    }
}
