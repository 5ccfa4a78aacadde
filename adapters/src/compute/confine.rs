//! The process that becomes the job: it gives up what a job may not have, then runs it in its own place.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use fs_err as fs;
use rustix::process::{
    Resource, Rlimit, Signal, chdir, getrlimit, getuid, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_no_new_privs,
};

use super::calls::Calls;
use super::inherited::close_inherited;
use super::order::{Order, Refused, Told, receive, receive_file, send};
use super::places::{self, Places};
use super::{Cage, census, view, wasi};

/// Open files of a process, at most.
const FILES_MAX: u64 = 1024;
/// What the engine of a module needs besides the module's own memory, in bytes.
const ENGINE_BYTES: u64 = 1 << 30;
/// How much sooner than others a job is ended when memory runs out; of 1,000.
const FIRST_TO_GO: &str = "500";

/// Takes an order, confines itself, and becomes the job.
pub(super) fn become_job() -> ExitCode {
    // A copy that is closed on exec, by which the parent knows that it went well.
    let Ok(says) = rustix::stdio::stdin().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let mut says = UnixStream::from(says);
    let Ok(order) = receive::<Order>(&mut says) else {
        return ExitCode::FAILURE;
    };
    let (told, code) = match prepare(&order, &says) {
        Err(refused) => (Told::Refused(refused), ExitCode::FAILURE),
        Ok(()) if order.cage == Cage::Wasi => wasi::run(&order, &mut says),
        Ok(()) => (Told::Refused(replaced(&order)), ExitCode::FAILURE),
    };
    let _ = send(&mut says, &told);
    code
}

/// Becomes the command; comes back only to say why not.
fn replaced(order: &Order) -> Refused {
    let mut command = Command::new(&order.program);
    if let Some((first, rest)) = order.argv.split_first() {
        command.arg0(first).args(rest);
    }
    let error = command.env_clear().envs(&order.environment).exec();
    Refused::NoProgram(error.to_string())
}

/// Everything that is given up before anything of the job runs. The order matters: each step needs what the
/// later ones take away.
fn prepare(order: &Order, hears: &UnixStream) -> Result<(), Refused> {
    let failed = |what: &'static str| move |error: io::Error| Refused::io(what, error);
    // If the watching process dies, so does this one.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Refused::io("the signal at the parent's death", error))?;
    let input = if order.talks {
        receive_file(hears).map_err(failed("its standard input"))?
    } else {
        OwnedFd::from(File::open("/dev/null").map_err(failed("/dev/null"))?)
    };
    // What is handed over otherwise is closed on exec.
    rustix::stdio::dup2_stdin(&input).map_err(|error| Refused::io("the standard input", error))?;
    close_inherited().map_err(failed("files left open"))?;
    // Not every system lets it; then it is a process like any other.
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    chdir(&order.directory).map_err(|error| Refused::io("the job's directory", error))?;
    limit(order)?;
    if order.cage == Cage::None {
        return Ok(());
    }
    let no_cage = |why: String| Refused::NoCage(why);
    let places = Places {
        directory: &order.directory,
        programs: &order.programs,
        read: &order.read,
        system: order.cage == Cage::Os,
        view: order.view,
        net: &order.net,
    };
    if order.view {
        view::enter(&places).map_err(|error| Refused::NoView(format!("its view: {error}")))?;
        chdir(&order.directory).map_err(|error| Refused::io("the job's directory", error))?;
    }
    limit_tasks(order)?;
    drop_privileges()
        .map_err(|error| no_cage(format!("privileges cannot be given up: {error}")))?;
    // A module is confined by its engine already; this is a second wall, where there is one.
    if order.cage == Cage::Os || places::available().is_ok() {
        places.confine().map_err(no_cage)?;
    }
    let calls = Calls {
        net: &order.net,
        // Where nothing but its own files can be reached by name: so an engine does it, and a view.
        modes: order.cage == Cage::Wasi || order.view,
    };
    calls.confine().map_err(no_cage)
}

/// Bounds that the kernel holds for each process; those of all together are held by whoever watches.
fn limit(order: &Order) -> Result<(), Refused> {
    let limits = &order.limits;
    let memory = match order.cage {
        Cage::Wasi => limits.memory_bytes.saturating_add(ENGINE_BYTES),
        Cage::Os | Cage::None => limits.memory_bytes,
    };
    let bounds = [
        // One second later it is killed.
        (Resource::Cpu, limits.cpu_s, limits.cpu_s.saturating_add(1)),
        // Not its address space: many programs reserve more of it than they ever use.
        (Resource::Data, memory, memory),
        (Resource::Fsize, limits.file_bytes, limits.file_bytes),
        (Resource::Core, 0, 0),
        (Resource::Nofile, FILES_MAX, FILES_MAX),
    ];
    for (resource, soft, hard) in bounds {
        bound(resource, soft, hard)?;
    }
    Ok(())
}

/// The bound on processes and threads, which stops a job that forks faster than it is counted. The superuser has none.
fn limit_tasks(order: &Order) -> Result<(), Refused> {
    let user = getuid();
    if user.is_root() || order.cage != Cage::Os {
        return Ok(());
    }
    let own = u64::from(order.limits.processes);
    // With a view it is a user of a namespace of its own, who is counted there, from the first. Without, all that its
    // user runs counts: now, and whatever that may be later.
    let others = if order.view {
        0
    } else {
        census::tasks_of_user(user.as_raw())
    };
    // One more than it may have: who counts sees that it is beyond, and ends it.
    let tasks = others + own + 1;
    bound(Resource::Nproc, tasks, tasks)
}

/// Has the kernel hold a bound, or a tighter one that it holds already.
fn bound(resource: Resource, soft: u64, hard: u64) -> Result<(), Refused> {
    let hard_now = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit {
        current: Some(soft.min(hard_now)),
        maximum: Some(hard.min(hard_now)),
    };
    setrlimit(resource, limit).map_err(|error| Refused::io("its limits", error))
}

/// Gives up every privilege of the superuser, and all ways of gaining any.
fn drop_privileges() -> rustix::io::Result<()> {
    set_no_new_privs(true)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    if rustix::thread::capabilities(None)?.permitted.is_empty() {
        return Ok(());
    }
    for capability in CapabilitySet::all().iter() {
        // Not every kernel has all of them.
        let _ = remove_capability_from_bounding_set(capability);
    }
    clear_ambient_capability_set()?;
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    // Needs a privilege that a container may have taken; what follows suffices without.
    let _ = set_capabilities_secure_bits(locked);
    set_capabilities(None, none)
}
