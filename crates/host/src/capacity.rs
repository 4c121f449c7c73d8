//! This is what a host has for what it runs: cores, memory, and a bound on what happens at once.
//!
//! # Invariants
//!
//! 1. What is said is what there is for this host, not what is free, so that it stays as it is while the host runs.
//! 2. Memory is the least that bounds it: the machine's own, and that of each control group that the process is in.

use std::path::PathBuf;

use engine::Layout;
use model::lattice::Capacity;

use crate::running::HostConfig;

/// What a host of this configuration has on this machine.
pub(crate) fn of(config: &HostConfig) -> Capacity {
    let at_once = config.reuse.map_or(1, |reuse| reuse.at_once_max as u64);
    let invocations_max = match config.engines.layout {
        Layout::OnDemand => None,
        Layout::Pooled { instances } => Some(u64::from(instances).saturating_mul(at_once)),
    };
    Capacity { cores: config.plane.cores, memory_bytes: memory(), invocations_max }
}

/// Bytes of memory that there are for this process, where the system says that in files.
fn memory() -> Option<u64> {
    // What is not there bounds nothing.
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo".into()).as_deref().and_then(total);
    let groups = read("/proc/self/cgroup".into()).unwrap_or_default();
    let of_groups = limit_files(&groups).into_iter().filter_map(|path| limit(&read(path)?));
    of_machine.into_iter().chain(of_groups).min()
}

/// The bytes of a machine, from what it says of its memory.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// Where the limits of the groups are that a process is in: of each, and of all above it.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let file = |group: &str| {
        let (_number, rest) = group.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = PathBuf::from(format!("{root}{}", path.trim_end_matches('/')));
        let above = group.ancestors().take_while(|folder| folder.starts_with(root));
        Some(above.map(|folder| folder.join(name)).collect::<Vec<_>>())
    };
    groups.lines().filter_map(file).flatten().collect()
}

/// The bytes that a group may have, where that is bounded.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_has_is_read_in_its_own_words() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16384 kB\nMemAvailable: 2 kB\n"), Some(16 << 20));
        for odd in ["", "MemTotal:", "MemTotal: many kB", "MemTotal: 16384 MB"] {
            assert_eq!(total(odd), None, "{odd:?}");
        }
        assert_eq!((limit("1048576\n"), limit("max\n"), limit("")), (Some(1 << 20), None, None));
    }

    #[test]
    fn each_group_that_a_process_is_in_may_bound_it() {
        let files = |groups| -> Vec<String> {
            limit_files(groups).into_iter().map(|path| path.display().to_string()).collect()
        };
        let own = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"];
        assert_eq!(files("0::/a/b\n"), own);
        assert_eq!(files("0::/\n"), own[2..]);
        let older = ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        assert_eq!(files("9:cpu,cpuacct:/a\n8:hugetlb,memory:/a\n"), older);
        assert_eq!(files("nonsense\n1:name=systemd:/x\n"), [""; 0]);
    }

    #[test]
    fn there_is_memory_on_this_machine() {
        assert!(!cfg!(target_os = "linux") || memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
