//! Which system calls a confined job may make.
//!
//! Two filters of the kernel, one on the other. The first knows the calls that ordinary programs need, by
//! name; all others do not exist (`ENOSYS`), those of later kernels included. The second refuses (`EPERM`)
//! uses of those calls that reach out of the job: what Landlock cannot see, or sees too late.

use std::env::consts::ARCH;

use seccompiler::{TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use super::order::Net;

/// Calls that a job may make on every machine.
const COMMON: &[&str] = &[
    // Files that are open, and paths; Landlock says which paths.
    "read write readv writev pread64 pwrite64 preadv preadv2 pwritev pwritev2 openat openat2 close",
    "close_range lseek fcntl flock dup dup3 ftruncate truncate fallocate fadvise64 readahead fsync",
    "fdatasync sync syncfs sync_file_range copy_file_range sendfile splice tee ioctl fstat newfstatat",
    "statx statfs fstatfs faccessat faccessat2 readlinkat getdents64 getcwd chdir fchdir mkdirat mknodat",
    "unlinkat linkat symlinkat renameat renameat2 umask getxattr lgetxattr fgetxattr listxattr",
    "llistxattr flistxattr cachestat",
    // Memory of its own.
    "brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock mlockall munlockall",
    "membarrier pkey_alloc pkey_free pkey_mprotect get_mempolicy set_mempolicy mbind map_shadow_stack",
    "mseal",
    // Processes and threads of its own.
    "clone execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid getsid setpgid",
    "setsid set_tid_address set_robust_list get_robust_list futex futex_waitv futex_wait futex_wake",
    "futex_requeue rseq prctl getcpu sched_yield sched_getaffinity sched_setaffinity sched_getparam",
    "sched_getscheduler sched_getattr sched_get_priority_max sched_get_priority_min",
    "sched_rr_get_interval getpriority setpriority getrusage getrlimit setrlimit prlimit64 times",
    "pidfd_open restart_syscall landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
    // Signals; Landlock says to whom.
    "kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend",
    "rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal sigaltstack signalfd4",
    // Who it is.
    "getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid",
    "setresuid setresgid setgroups setfsuid setfsgid capget capset",
    // Time, chance, and what machine this is.
    "clock_gettime clock_getres clock_nanosleep gettimeofday nanosleep getitimer setitimer timer_create",
    "timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime",
    "timerfd_gettime getrandom uname sysinfo",
    // Waiting, and pipes between its own processes.
    "ppoll pselect6 epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 eventfd2 pipe2 socket socketpair",
    "sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg shutdown getsockopt setsockopt getsockname",
    "getpeername",
];

/// The older forms of some of them, which only this machine has.
const OLDER: &[&str] = if cfg!(target_arch = "x86_64") {
    &[
        "open creat stat lstat access readlink getdents mkdir rmdir mknod unlink link symlink rename dup2",
        "pipe poll select epoll_create epoll_wait eventfd signalfd fork vfork getpgrp pause alarm time",
        "arch_prctl",
    ]
} else {
    &[]
};

/// Calls that change the mode, owner, times and attributes of a file, which Landlock does not see.
const MODES: &[&str] = &[
    "fchmod fchmodat fchmodat2 fchown fchownat utimensat setxattr lsetxattr fsetxattr removexattr",
    "lremovexattr fremovexattr",
];

/// The older forms of some of those.
const MODES_OLDER: &[&str] = if cfg!(target_arch = "x86_64") {
    &["chmod chown lchown utime utimes futimesat"]
} else {
    &[]
};

/// Calls with which a job that has the network is called itself.
const SERVERS: &[&str] = &["bind listen accept accept4"];

/// What a call that does not exist answers.
const ENOSYS: u32 = 38;
/// What a use that is refused answers.
const EPERM: u32 = 1;
const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
const SOCK_RAW: u64 = 3;
/// The bits of a kind of socket that are no flags.
const SOCK_MASK: u64 = 0xf;
const IPPROTO_TCP: u64 = 6;
const IPPROTO_UDP: u64 = 17;
const MSG_FASTOPEN: u64 = 0x2000_0000;
/// Bits of the flags of `clone` that make a namespace, in which it would have privileges.
const NAMESPACES: [u64; 7] = [
    0x2_0000,
    0x200_0000,
    0x400_0000,
    0x800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];
/// Keys pressed on a terminal by a program (`TIOCSTI`), and other uses of a console (`TIOCLINUX`).
const PRESSED_KEYS: [u64; 2] = [0x5412, 0x541c];

/// What differs between jobs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls<'a> {
    /// What it may reach by sockets; of TCP, Landlock says which ports.
    pub(super) net: &'a Net,
    /// Whether it may change modes, owners and times: only where nothing but its own files can be reached.
    pub(super) modes: bool,
}

impl Calls<'_> {
    /// Puts this process, and all that come from it, under the filters; there is no way back.
    ///
    /// The caller has given up gaining privileges, and has one thread.
    pub(super) fn confine(self) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("the filter of system calls: {error}");
        let arch = TargetArch::try_from(ARCH).map_err(|error| failed(&error))?;
        let text = self.filters().to_string();
        let filters = compile_from_json(text.as_bytes(), arch).map_err(|error| failed(&error))?;
        for name in ["known", "refused"] {
            let filter = filters
                .get(name)
                .ok_or("the filter of system calls is missing")?;
            apply_filter(filter).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Both filters, in the words of `seccompiler`.
    fn filters(self) -> Value {
        let mut known = [COMMON, OLDER].concat();
        if *self.net != Net::None {
            known.push("connect");
        }
        if *self.net == Net::All {
            known.extend(SERVERS);
        }
        if self.modes {
            known.extend([MODES, MODES_OLDER].concat());
        }
        let known = known.iter().flat_map(|names| names.split_whitespace());
        let known: Vec<Value> = known.map(|name| json!({ "syscall": name })).collect();
        json!({
            "known": {
                "mismatch_action": { "errno": ENOSYS },
                "match_action": "allow",
                "filter": known,
            },
            "refused": {
                "mismatch_action": "allow",
                "match_action": { "errno": EPERM },
                "filter": self.refused(),
            },
        })
    }

    /// Uses of known calls that are refused.
    fn refused(self) -> Vec<Value> {
        let mut refused = vec![
            // Out of the group that is ended as one.
            json!({ "syscall": "setsid" }),
            json!({ "syscall": "setpgid" }),
            // What changes other processes of the same user.
            rule("prlimit64", &[ne(0, 0)]),
            rule("sched_setaffinity", &[ne(0, 0)]),
            rule("setpriority", &[ne(0, 0)]),
            rule("setpriority", &[ne(1, 0)]),
            // Another family; a pair of datagram sockets (or raw, which is another name for them) can send
            // to any socket that has a path, a pair of streams only to its other end.
            rule("socketpair", &[ne(0, AF_UNIX)]),
            rule("socketpair", &[masked(1, SOCK_MASK, SOCK_DGRAM)]),
            rule("socketpair", &[masked(1, SOCK_MASK, SOCK_RAW)]),
        ];
        refused.extend(PRESSED_KEYS.map(|key| rule("ioctl", &[masked(1, u32::MAX.into(), key)])));
        refused.extend(NAMESPACES.map(|bit| rule("clone", &[masked(0, bit, bit)])));
        match self.net {
            Net::None => refused.push(json!({ "syscall": "socket" })),
            Net::Ports(_) => refused.extend(beyond_tcp()),
            Net::All => refused.extend(beyond_ip()),
        }
        refused
    }
}

/// Sockets other than those of TCP and UDP over IP: a socket to another program of this machine, or to the kernel.
fn beyond_ip() -> Vec<Value> {
    let mut refused = vec![
        rule("socket", &[ne(0, AF_INET), ne(0, AF_INET6)]),
        rule(
            "socket",
            &[ne(2, 0), ne(2, IPPROTO_TCP), ne(2, IPPROTO_UDP)],
        ),
    ];
    let others = (0..=SOCK_MASK).filter(|kind| ![SOCK_STREAM, SOCK_DGRAM].contains(kind));
    refused.extend(others.map(|kind| rule("socket", &[masked(1, SOCK_MASK, kind)])));
    refused
}

/// Sockets other than those of TCP over IP, and the calls that connect one unseen by Landlock.
fn beyond_tcp() -> Vec<Value> {
    let mut refused = vec![
        rule("socket", &[ne(0, AF_INET), ne(0, AF_INET6)]),
        rule("socket", &[ne(2, 0), ne(2, IPPROTO_TCP)]),
        rule("sendto", &[masked(3, MSG_FASTOPEN, MSG_FASTOPEN)]),
        rule("sendmsg", &[masked(2, MSG_FASTOPEN, MSG_FASTOPEN)]),
        rule("sendmmsg", &[masked(3, MSG_FASTOPEN, MSG_FASTOPEN)]),
    ];
    let others = (0..=SOCK_MASK).filter(|kind| *kind != SOCK_STREAM);
    refused.extend(others.map(|kind| rule("socket", &[masked(1, SOCK_MASK, kind)])));
    refused
}

/// The argument at this index, 32 bits of it, is another value than this.
fn ne(index: u8, value: u64) -> Value {
    json!({ "index": index, "type": "dword", "op": "ne", "val": value })
}

/// These bits of the argument at this index are this value.
fn masked(index: u8, mask: u64, value: u64) -> Value {
    json!({ "index": index, "type": "qword", "op": { "masked_eq": mask }, "val": value })
}

/// A use of a call that meets all of the conditions.
fn rule(call: &str, conditions: &[Value]) -> Value {
    json!({ "syscall": call, "args": conditions })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that the machine does not know, or knows twice, would make every job fail.
    #[test]
    fn every_filter_compiles() {
        let arch = TargetArch::try_from(ARCH).expect("a machine that filters are made for");
        for net in &[Net::None, Net::Ports(vec![80]), Net::All] {
            for modes in [false, true] {
                let text = Calls { net, modes }.filters().to_string();
                let filters = compile_from_json(text.as_bytes(), arch).expect("a known call");
                assert_eq!(filters.len(), 2);
            }
        }
    }
}
