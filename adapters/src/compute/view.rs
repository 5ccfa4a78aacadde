//! A root of its own for a job, in which nothing but its places exists.
//!
//! Landlock keeps a job from what is in other files. It does not see changes of their modes and times, and not
//! who looks whether they are there; where the system gives out namespaces, this does: the job's root is an
//! empty file system in memory, into which its places are mounted, all but its directory read-only. So only
//! with a view may a job change modes at all. The order of steps is that of `bwrap`.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, getgid, getuid, pivot_root};
use rustix::thread::UnshareFlags;

use super::places::{Places, SHARED_MEMORY};

/// A folder that every system has, over which the new root is made; nobody else sees that.
const BASE: &str = "/tmp";
const NEW: &str = "/new";
const OLD: &str = "/old";
/// What the processes of a job may share in memory besides what they map: semaphores and the like.
const SHARED_OPTIONS: &CStr = c"mode=1777,size=64m";

/// What a place is, seen from the old root.
struct Found {
    path: PathBuf,
    /// Where it is, without links; for a link to another place, what the link says.
    kind: Kind,
}

enum Kind {
    Link(PathBuf),
    Folder(PathBuf),
    File(PathBuf),
}

/// Enters the view. If that fails, this process is of no use any more.
///
/// The caller has one thread.
pub(super) fn enter(places: &Places<'_>) -> io::Result<()> {
    let found = look(places);
    own_mounts()?;
    let old = |path: &Path| prefixed(OLD, path);
    let new = |path: &Path| prefixed(NEW, path);
    let nothing = MountFlags::NOSUID | MountFlags::NODEV;
    mount("medium", BASE, "tmpfs", nothing, Some(c"mode=0755,size=1m"))?;
    for folder in [NEW, OLD] {
        fs::create_dir(prefixed(BASE, Path::new(folder)))?;
    }
    let root = prefixed(BASE, Path::new(NEW));
    mount_bind_recursive(&root, &root)?;
    pivot_root(BASE, prefixed(BASE, Path::new(OLD)))?;
    chdir("/")?;
    for place in &found {
        let at = new(&place.path);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        match &place.kind {
            Kind::Link(to) if at.symlink_metadata().is_err() => symlink(to, &at)?,
            Kind::Link(_) => {}
            Kind::Folder(from) => {
                fs::create_dir_all(&at)?;
                mount_bind_recursive(old(from), &at)?;
            }
            Kind::File(from) => {
                if !at.exists() {
                    fs::write(&at, "")?;
                }
                mount_bind_recursive(old(from), &at)?;
            }
        }
    }
    let shared = new(Path::new(SHARED_MEMORY));
    fs::create_dir_all(&shared)?;
    mount(
        "medium",
        &shared,
        "tmpfs",
        nothing | MountFlags::NOEXEC,
        Some(SHARED_OPTIONS),
    )?;
    read_only(places)?;
    mount_change(
        OLD,
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )?;
    unmount(OLD, UnmountFlags::DETACH)?;
    chdir(NEW)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    Ok(())
}

/// Mounts of its own, and the right to change them.
fn own_mounts() -> io::Result<()> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    let mut flags = UnshareFlags::NEWNS;
    if user != 0 {
        flags |= UnshareFlags::NEWUSER;
    }
    #[expect(
        deprecated,
        reason = "the safe form: what it is deprecated for is another flag, for files"
    )]
    rustix::thread::unshare(flags)?;
    if user != 0 {
        // It stays who it is.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM,
    )?;
    Ok(())
}

/// Its places as they are now, those above others first.
fn look(places: &Places<'_>) -> Vec<Found> {
    let mut paths: Vec<&Path> = places
        .paths()
        .filter(|path| !path.starts_with("/proc"))
        .collect();
    // Its own processes, of which Landlock lets it see itself only.
    paths.push(Path::new("/proc"));
    paths.sort_unstable();
    paths.dedup();
    let found = paths.iter().filter_map(|&path| {
        // What is not there, is not there either.
        let real = path.canonicalize().ok()?;
        let is_link = path.symlink_metadata().ok()?.is_symlink();
        let leads_to_a_place = || {
            paths
                .iter()
                .any(|other| *other != path && real.starts_with(other))
        };
        let kind = if is_link && leads_to_a_place() {
            Kind::Link(path.read_link().ok()?)
        } else if real.is_dir() {
            Kind::Folder(real)
        } else {
            Kind::File(real)
        };
        let path = path.to_owned();
        Some(Found { path, kind })
    });
    found.collect()
}

/// Makes every mount of the new root read-only, but those of the job's directory.
fn read_only(places: &Places<'_>) -> io::Result<()> {
    let mounts = fs::read_to_string(prefixed(OLD, Path::new("/proc/self/mountinfo")))?;
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(at), Some(options)) = (fields.nth(4).map(unescaped), fields.next()) else {
            continue;
        };
        let Ok(path) = at.strip_prefix(NEW) else {
            continue;
        };
        let path = Path::new("/").join(path);
        if !places.is_written(&path) {
            let kept = MountFlags::BIND | MountFlags::RDONLY | flags_of(options);
            mount_remount(&at, kept, "")?;
        }
    }
    Ok(())
}

/// What a mount has to keep when it is changed: not everybody may take it away.
fn flags_of(options: &str) -> MountFlags {
    let flag = |option| match option {
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    };
    options
        .split(',')
        .map(flag)
        .fold(MountFlags::empty(), MountFlags::union)
}

/// A path as the kernel writes it in lists: blanks and a few more as `\040`.
fn unescaped(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) if first == b'\\' => {
                bytes.push(code);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// An absolute path, below another.
fn prefixed(prefix: &str, path: &Path) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    Path::new(prefix).join(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(unescaped(r"/a\040b\134c/d"), Path::new(r"/a b\c/d"));
        assert_eq!(unescaped(r"/a\04"), Path::new(r"/a\04"));
        let flags = MountFlags::NOSUID | MountFlags::RELATIME;
        assert_eq!(flags_of("rw,nosuid,relatime,unknown"), flags);
    }
}
