//! Who belongs to a job, and what they use together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::Pid;

/// The processes that come from this one, and from those.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// All of them.
    pub(super) members: Vec<Pid>,
    /// Their processes and threads.
    pub(super) tasks: u64,
    /// CPU time they used, in ticks of the kernel.
    ticks: u64,
    /// CPU time they used, those that have ended included, in seconds.
    pub(super) cpu_s: u64,
    /// Memory they hold, in bytes; what several hold together counts once for each.
    pub(super) memory_bytes: u64,
}

impl Census {
    /// Counts all of them now. Who begins or ends meanwhile may be missed: it is taken again and again.
    pub(super) fn take() -> Self {
        Self::take_beyond(u64::MAX)
    }

    /// Counts until there are more processes and threads than this: how many more matters to nobody, and those who
    /// fork are faster than who counts.
    pub(super) fn take_beyond(tasks: u64) -> Self {
        let mut census = Self::default();
        let family = Family::look();
        let mut known = BTreeSet::new();
        let mut next = family.children("self");
        let mut ticks = Stat::read("self").map_or(0, |own| own.ended_ticks);
        while census.tasks <= tasks
            && let Some(pid) = next.pop()
        {
            if !known.insert(pid) {
                continue;
            }
            let name = pid.to_string();
            let (Some(stat), Some(member)) = (Stat::read(&name), Pid::from_raw(pid)) else {
                continue;
            };
            census.members.push(member);
            census.tasks += stat.threads;
            ticks += stat.ticks + stat.ended_ticks;
            census.memory_bytes += stat.resident_pages * rustix::param::page_size() as u64;
            next.extend(family.children(&name));
        }
        census.ticks = ticks;
        census.cpu_s = ticks / rustix::param::clock_ticks_per_second().max(1);
        census
    }

    /// Whether nothing happened since an earlier count, as far as counts tell.
    pub(super) fn is_as_busy_as(&self, before: &Self) -> bool {
        (self.ticks, self.tasks, self.memory_bytes)
            == (before.ticks, before.tasks, before.memory_bytes)
    }

    /// Memory they hold, in bytes, shared memory divided among those that share it. Slow.
    pub(super) fn shared_memory_bytes(&self) -> u64 {
        let bytes = |pid: &Pid| {
            let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
            let about = fs::read_to_string(path).unwrap_or_default();
            let line = about.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
            kib.and_then(|kib| kib.trim().parse::<u64>().ok())
                .unwrap_or(0)
                * 1024
        };
        self.members.iter().map(bytes).sum()
    }
}

/// Processes and threads of a user, wherever they come from.
pub(super) fn tasks_of_user(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    let tasks = processes.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_theirs = name.parse::<u32>().is_ok() && entry.metadata().ok()?.uid() == user;
        is_theirs.then(|| Stat::read(&name).map_or(0, |stat| stat.threads))
    });
    tasks.sum()
}

/// Who whose child is.
enum Family {
    /// The kernel has lists of children.
    Listed,
    /// It was built without; then all processes are looked at.
    Looked(BTreeMap<i32, Vec<i32>>),
}

impl Family {
    fn look() -> Self {
        if fs::exists("/proc/thread-self/children").unwrap_or(false) {
            return Self::Listed;
        }
        let mut looked: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.parse::<i32>().ok());
            let stat = name.to_str().and_then(Stat::read);
            if let (Some(pid), Some(stat)) = (pid, stat) {
                looked.entry(stat.parent).or_default().push(pid);
            }
        }
        Self::Looked(looked)
    }

    /// The children of a process, or of all its threads.
    fn children(&self, process: &str) -> Vec<i32> {
        match self {
            Self::Listed => {
                let tasks = fs::read_dir(format!("/proc/{process}/task"));
                let tasks = tasks.into_iter().flatten().flatten();
                let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")));
                let parsed = |list: &str| {
                    let pids = list.split_whitespace();
                    pids.filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
                };
                lists.flatten().flat_map(|list| parsed(&list)).collect()
            }
            Self::Looked(looked) => {
                let pid = match process {
                    "self" => Some(rustix::process::getpid().as_raw_nonzero().get()),
                    other => other.parse().ok(),
                };
                let children = pid.and_then(|pid| looked.get(&pid));
                children.cloned().unwrap_or_default()
            }
        }
    }
}

/// What the kernel says of one process.
struct Stat {
    parent: i32,
    /// CPU time of it, and of its children that have ended.
    ticks: u64,
    ended_ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Self::parse(&text)
    }

    /// `proc_pid_stat(5)`; its second field, the name, may hold anything, so the rest is what follows the
    /// last bracket.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(4 - 3)?.parse().ok()?,
            ticks: field(14)? + field(15)?,
            ended_ticks: field(16)? + field(17)?,
            threads: field(20)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let text = "7 (a) b (9 9) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 100 4096 11 18446744073709551615";
        let stat = Stat::parse(text).expect("a line as the kernel writes them");
        assert_eq!((stat.ticks, stat.ended_ticks), (30, 70));
        assert_eq!((stat.threads, stat.resident_pages), (5, 11));
        assert_eq!(stat.parent, 1);
        assert!(Stat::parse("7 (cut").is_none());
    }
}
