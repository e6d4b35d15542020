//! The process that works for a run, and whether it is alive.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The machine's name, for people.
    pub host: String,
    /// What tells whether process numbers can be compared: the machine's boot and the namespace of
    /// process numbers. Empty where the system does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since the boot: a number may be given to another process later.
    #[serde(default)]
    pub started: u64,
}

impl Process {
    /// This process.
    pub fn current() -> Process {
        let pid = std::process::id();
        Process { host: host(), space: space(), pid, started: started(pid).unwrap_or_default() }
    }

    /// Whether it is at work: `None` when that can't be known from here, because it is on another
    /// machine or in another container.
    pub fn is_alive(&self) -> Option<bool> {
        let here = space();
        if here.is_empty() || self.space != here {
            return None;
        }
        Some(started(self.pid) == Some(self.started))
    }
}

/// The name of this machine (proc(5): `/proc/sys/kernel/hostname`).
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().to_owned()
}

/// The boot (random(4): `boot_id`) and the namespace of process numbers (namespaces(7)).
fn space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match fs::read_link("/proc/self/ns/pid") {
        Ok(space) if !boot.is_empty() => format!("{} {}", boot.trim(), space.display()),
        _ => String::new(),
    }
}

/// When a process started: field 22 of its status line (proc_pid_stat(5)). `None` when there is no
/// such process, or it has ended and only waits to be asked how.
fn started(pid: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = line.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let this = Process::current();
        assert_eq!(this.is_alive(), Some(true));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        let other = Process { pid, started: started(pid).unwrap(), ..this.clone() };
        assert_eq!(other.is_alive(), Some(true));
        assert_eq!(Process { started: 1, ..other.clone() }.is_alive(), Some(false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(other.is_alive(), Some(false));
        assert_eq!(Process { space: "elsewhere".to_owned(), ..this }.is_alive(), None);
    }
}
