//! Which files a confined job may reach, held by Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use super::order::Net;

/// The oldest Landlock that confines signals as well: that of Linux 6.12.
const OLDEST: ABI = ABI::V6;

/// Folders whose programs and libraries every job may read and run.
pub(super) const SYSTEM_PROGRAMS: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
];

/// Other files of the system that ordinary programs read. None holds a secret; of the processes, only their own.
const SYSTEM_FILES: [&str; 47] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/java",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/magic",
    "/etc/magic.mime",
    "/etc/mime.types",
    "/etc/networks",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/profile",
    "/etc/protocols",
    "/etc/python3",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/vm/overcommit_memory",
    "/proc/version",
    "/sys/devices/system/cpu",
];

/// Devices that hold nothing.
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Where processes that work together keep what they share.
pub(super) const SHARED_MEMORY: &str = "/dev/shm";

/// What is confined.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// The directory it may do anything in.
    pub(super) directory: &'a Path,
    /// Further folders it may read and run programs from.
    pub(super) programs: &'a [PathBuf],
    /// Further folders it may read.
    pub(super) read: &'a [PathBuf],
    /// Whether it may read what the system has: a command, not a module.
    pub(super) system: bool,
    /// Whether it sees a root of its own, with [`SHARED_MEMORY`] for its processes only.
    pub(super) view: bool,
    /// What it may reach by sockets.
    pub(super) net: &'a Net,
}

/// Whether this system can hold a job in its places.
///
/// # Errors
/// What is missing.
pub(super) fn available() -> Result<(), String> {
    handled(&Net::None)
        .and_then(Ruleset::create)
        .map(|_| ())
        .map_err(|error| missing(&error))
}

fn missing(error: &RulesetError) -> String {
    format!(
        "Landlock that confines files, connections and signals (Linux 6.12 or later) is missing: {error}"
    )
}

/// All that can be confined, but for what is allowed without bounds.
fn handled(net: &Net) -> Result<Ruleset, RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .scope(Scope::from_all(OLDEST))?;
    match net {
        Net::None | Net::Ports(_) => rules.handle_access(AccessNet::from_all(OLDEST)),
        Net::All => Ok(rules),
    }
}

impl Places<'_> {
    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let read = self.readable().map(|(path, _)| path);
        read.chain([self.directory])
    }

    /// Whether what is at a path is the job's to change.
    pub(super) fn is_written(&self, path: &Path) -> bool {
        let is_read = self
            .readable()
            .any(|(read, _)| path.starts_with(read) && read.starts_with(self.directory));
        path.starts_with(self.directory) && !is_read || path == Path::new(SHARED_MEMORY)
    }

    /// Those that are read, with what may be done there.
    fn readable(&self) -> impl Iterator<Item = (&Path, BitFlags<AccessFs>)> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let run = read | AccessFs::Execute;
        let write = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        let system = |paths: &'static [&'static str]| {
            let paths = if self.system { paths } else { &[] };
            paths.iter().map(Path::new)
        };
        let programs = self.programs.iter().map(PathBuf::as_path);
        let programs = programs.chain(system(&SYSTEM_PROGRAMS));
        let given = self.read.iter().map(PathBuf::as_path);
        (programs.map(move |path| (path, run)))
            .chain(given.map(move |path| (path, read)))
            .chain(system(&SYSTEM_FILES).map(move |path| (path, read)))
            .chain(system(&DEVICES).map(move |path| (path, write)))
    }

    /// Confines this process, and all that come from it, to these places; there is no way back.
    ///
    /// The caller has one thread.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn confine(&self) -> Result<(), String> {
        let mut rules = handled(self.net)
            .and_then(Ruleset::create)
            .map_err(|error| missing(&error))?;
        let failed = |error: RulesetError| format!("Landlock: {error}");
        let all = AccessFs::from_all(OLDEST);
        let directory =
            PathFd::new(self.directory).map_err(|error| format!("Landlock: {error}"))?;
        // No devices: a job has none of its own, and could make them as root only.
        let own = all & !(AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev);
        rules = rules
            .add_rule(PathBeneath::new(directory, own))
            .map_err(failed)?;
        if self.view {
            let shared =
                PathFd::new(SHARED_MEMORY).map_err(|error| format!("Landlock: {error}"))?;
            rules = rules
                .add_rule(PathBeneath::new(shared, own & !AccessFs::Execute))
                .map_err(failed)?;
        }
        for (path, access) in self.readable() {
            // One that is not there needs no rule.
            let Ok(file) = PathFd::new(path) else {
                continue;
            };
            let access = for_kind_of(path, access);
            rules = rules
                .add_rule(PathBeneath::new(file, access))
                .map_err(failed)?;
        }
        if let Net::Ports(ports) = self.net {
            for &port in ports {
                rules = rules
                    .add_rule(NetPort::new(port, AccessNet::ConnectTcp))
                    .map_err(failed)?;
            }
        }
        rules.restrict_self().map(|_| ()).map_err(failed)
    }
}

/// The rights that a file can have at all, if it is no folder.
fn for_kind_of(path: &Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(OLDEST)
    }
}
