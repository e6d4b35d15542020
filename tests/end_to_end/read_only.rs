//! A data directory that can't be written to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::milvus1_cases::{copy_of, state};
use crate::support::{Folder, repository};

/// Mounts `$1` read-only, where nobody else sees it, makes sure that it is, and goes on with the rest.
const READ_ONLY: &str = r#"
    mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77
    ! touch "$1/db/new" 2>/dev/null || exit 78
    shift
    exec "$@"
"#;

fn read_only(path: &Path, program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh"]);
    command.arg(path).args(program);
    command
}

/// Where the system lets nobody mount (in some containers), the rights are taken away, which binds
/// all but root. What is true everywhere: nothing is created, changed or removed.
#[test]
fn a_directory_on_a_read_only_mount_is_read_and_left_as_it_is() {
    let (copy, folder) = (copy_of("A_float_l2"), Folder::new());
    let before = state(copy.path());
    let config = repository("configs/m2h.yaml").display().to_string();
    let pipeline = assert_cmd::cargo::cargo_bin!("pipeline").display().to_string();
    let program = [pipeline.as_str(), "run", &config, "--parallelism", "8"];
    let can_mount = read_only(copy.path(), &["true"]).status().is_ok_and(|status| status.success());
    let mut command = match can_mount {
        true => read_only(copy.path(), &program),
        false => {
            eprintln!("THIS SYSTEM LETS NOBODY MOUNT: the rights to write are taken away instead");
            set_rights(copy.path(), 0o555, 0o444);
            let mut command = Command::new(program[0]);
            command.args(&program[1..]);
            command
        }
    };
    command.current_dir(folder.path("")).env("MILVUS1_PATH", copy.path());
    let output = command.output().unwrap();
    let after = state(copy.path());
    set_rights(copy.path(), 0o755, 0o644);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(after, before);
    assert!(folder.path("out/float_l2/p2.h5").is_file());
}

fn set_rights(path: &Path, of_folder: u32, of_file: u32) {
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => set_rights(&entry.path(), of_folder, of_file),
            false => fs::set_permissions(entry.path(), PermissionsExt::from_mode(of_file)).unwrap(),
        }
    }
    fs::set_permissions(path, PermissionsExt::from_mode(of_folder)).unwrap();
}
