//! Reads what a process has used from the kernel's own books, `/proc/PID`.
//!
//! CPU time comes from `schedstat` of each thread, in nanoseconds. A thread that ended takes its share with it, so the
//! totals of `stat`, which keep the ended threads and count in hundredths of a second, are read beside it and win where
//! they are clearly greater.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// One tick of `stat`: `USER_HZ` is 100 on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// What a process had used by some moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    threads: BTreeMap<String, Duration>,
    total: Duration,
}

/// Memory of a process, its share of shared pages included, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resident {
    /// All of it: its own pages, and its share of those that it shares.
    pub(crate) all: u64,
    /// What is in no file: heap, stacks, memories of instances.
    pub(crate) anonymous: u64,
}

/// What the process has used until now.
pub(crate) fn used(process: u32) -> io::Result<Used> {
    let folder = Path::new("/proc").join(process.to_string());
    let mut used = Used { threads: BTreeMap::new(), total: total(&fs::read_to_string(folder.join("stat"))?) };
    for entry in fs::read_dir(folder.join("task"))? {
        let entry = entry?;
        // A thread that ended since the folder was listed is in the total.
        if let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) {
            used.threads.insert(entry.file_name().to_string_lossy().into_owned(), running(&text));
        }
    }
    Ok(used)
}

/// The memory that the process holds now.
pub(crate) fn resident(process: u32) -> io::Result<Resident> {
    let text = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("smaps_rollup"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Ok(Resident { all: bytes("Pss:"), anonymous: bytes("Pss_Anon:") })
}

/// The first field of `schedstat`: nanoseconds on a processor.
fn running(schedstat: &str) -> Duration {
    let nanoseconds = schedstat.split_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// The fields `utime` and `stime` of `stat`, ended threads included.
fn total(stat: &str) -> Duration {
    // The name of the program is in brackets and may hold anything; the fields begin after the last bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}

// === impl Used ===

impl Used {
    /// What was used since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let of = |(thread, now): (&String, &Duration)| {
            now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or_default())
        };
        let threads: Duration = self.threads.iter().map(of).sum();
        let total = self.total.saturating_sub(earlier.total);
        if total > threads + 2 * TICK { total } else { threads }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Used, running, total};

    fn used(threads: &[(&str, u64)], total: u64) -> Used {
        let threads = threads.iter().map(|(thread, ms)| ((*thread).to_owned(), Duration::from_millis(*ms))).collect();
        Used { threads, total: Duration::from_millis(total) }
    }

    #[test]
    fn the_books_of_the_kernel_are_read() {
        assert_eq!(running("3037751 12 1\n"), Duration::from_nanos(3_037_751));
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 100 0 0";
        assert_eq!(total(stat), Duration::from_millis(120));
    }

    #[test]
    fn threads_count_to_the_nanosecond_unless_one_took_its_share_away() {
        let before = used(&[("1", 100), ("2", 500)], 600);
        let after = used(&[("1", 150), ("2", 505), ("3", 7)], 650);
        assert_eq!(after.since(&before), Duration::from_millis(62));
        let ended = used(&[("1", 150)], 900);
        assert_eq!(ended.since(&before), Duration::from_millis(300));
    }
}
