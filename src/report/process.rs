//! What this process has taken from the machine, as Linux tells it. Elsewhere it is not known: the
//! system calls that tell it there have no safe wrapper among our dependencies.

use std::time::Duration;

/// The kernel gives process times to programs in this many ticks a second on every architecture
/// that we build for, whatever its own clock (`USER_HZ`, proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// The most memory, in bytes, that was resident at any time (`VmHWM`, proc_pid_status(5)).
pub fn peak_rss_bytes() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn high_water_mark(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Time that all threads spent on the processor, in user mode and in the kernel.
pub fn cpu_time() -> Option<Duration> {
    cpu_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The second field, the program's name in parentheses, may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(Duration::from_secs_f64(user.checked_add(system)? as f64 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t   1536 kB\n"), Some(1536 * 1024));
        assert_eq!(high_water_mark("VmHWM:\t many\n"), None);
        let stat = "1 (a (b) c) R 0 1 1 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("1 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_something() {
        assert!(peak_rss_bytes().is_some_and(|bytes| bytes > 1 << 16));
        assert!(cpu_time().is_some());
    }
}
