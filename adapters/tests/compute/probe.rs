//! The job that tries things, and says what came of them: exit code 0 if it could, 1 and the error if not.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, Signal};

use crate::ring::{AS_PROBE, PROBE};

pub(crate) fn probe(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match tried(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{words:?}: {:?} {error}", error.kind());
            ExitCode::from(1)
        }
    }
}

fn tried(words: &[&str]) -> io::Result<()> {
    match words {
        ["read", path] => std::fs::read(path).map(drop),
        ["list", path] => std::fs::read_dir(path).map(drop),
        ["write", path] => std::fs::write(path, "written"),
        ["append", path] => std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .map(drop),
        ["remove", path] => std::fs::remove_file(path),
        ["truncate", path] => {
            rustix::fs::open(*path, rustix::fs::OFlags::TRUNC, rustix::fs::Mode::empty())
                .map(drop)
                .map_err(Into::into)
        }
        ["mkdir", path] => std::fs::create_dir(path),
        ["rename", from, to] => std::fs::rename(from, to),
        ["link", from, to] => std::fs::hard_link(from, to),
        ["symlink", to, at] => std::os::unix::fs::symlink(to, at),
        ["mode", path] => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)),
        ["touch", path] => rustix::fs::utimensat(
            rustix::fs::CWD,
            *path,
            &rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec {
                    tv_sec: 1,
                    tv_nsec: 0,
                },
                last_modification: rustix::fs::Timespec {
                    tv_sec: 1,
                    tv_nsec: 0,
                },
            },
            rustix::fs::AtFlags::empty(),
        )
        .map_err(Into::into),
        ["run", path, rest @ ..] => succeeded(Command::new(path).args(rest)),
        ["environment"] => {
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
            Ok(())
        }
        ["open-files"] => {
            for entry in std::fs::read_dir("/proc/self/fd")? {
                println!("{}", std::fs::read_link(entry?.path())?.display());
            }
            Ok(())
        }
        ["input"] => {
            let mut input = String::new();
            io::Read::read_to_string(&mut io::stdin(), &mut input)?;
            print!("{input}");
            Ok(())
        }
        ["tcp", address] => TcpStream::connect(address).map(drop),
        ["listen"] => TcpListener::bind("127.0.0.1:0").map(drop),
        ["udp", address] => UdpSocket::bind("127.0.0.1:0")?
            .send_to(b"x", address)
            .map(drop),
        ["unix", path] => UnixStream::connect(path).map(drop),
        ["unix-listen", path] => UnixListener::bind(path).map(drop),
        ["abstract", name] => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            UnixStream::connect_addr(&address).map(drop)
        }
        ["socket", family] => {
            let family = AddressFamily::from_raw(family.parse().unwrap());
            rustix::net::socket(family, SocketType::STREAM, None)
                .map(drop)
                .map_err(Into::into)
        }
        ["pair"] => UnixStream::pair().map(drop),
        ["datagram-pair"] => std::os::unix::net::UnixDatagram::pair().map(drop),
        ["signal", pid] => {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            rustix::process::test_kill_process(pid).map_err(Into::into)
        }
        ["signal-parent"] => {
            let parent = rustix::process::getppid().unwrap();
            rustix::process::kill_process(parent, Signal::KILL).map_err(Into::into)
        }
        ["read-parent", file] => {
            let parent = std::os::unix::process::parent_id();
            std::fs::read(format!("/proc/{parent}/{file}")).map(drop)
        }
        ["limit", pid] => {
            let pid = Pid::from_raw(pid.parse().unwrap());
            let none = rustix::process::Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            rustix::process::prlimit(pid, rustix::process::Resource::Nofile, none)
                .map(drop)
                .map_err(Into::into)
        }
        ["raise-limit"] => {
            let more = rustix::process::Rlimit {
                current: None,
                maximum: None,
            };
            rustix::process::setrlimit(rustix::process::Resource::Fsize, more).map_err(Into::into)
        }
        ["setsid"] => rustix::process::setsid().map(drop).map_err(Into::into),
        ["setpgid"] => rustix::process::setpgid(None, None).map_err(Into::into),
        ["forks"] => {
            // Each starts two more, and waits for neither; what cannot be started is not.
            for _ in 0..2 {
                let _ = itself(&["forks"]).spawn();
            }
            forever()
        }
        ["memory"] => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 1 << 20]);
            }
        }
        ["hold", mib] => {
            let held = vec![1_u8; mib.parse::<usize>().unwrap() << 20];
            println!("{}", held.iter().map(|&byte| u64::from(byte)).sum::<u64>());
            forever()
        }
        ["holders", count, mib] => {
            for _ in 0..count.parse::<u32>().unwrap() {
                itself(&["hold", mib]).spawn()?;
            }
            forever()
        }
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        ["sleep"] => {
            println!("{}", std::process::id());
            io::stdout().flush()?;
            forever()
        }
        ["grow", path] => {
            let mut file = std::fs::File::create(path)?;
            loop {
                file.write_all(&[0; 4096])?;
            }
        }
        ["flood"] => loop {
            io::stdout().write_all(&[b'x'; 4096])?;
        },
        ["leave"] => {
            itself(&["sleep"]).stdin(Stdio::null()).spawn()?;
            // It says who it is; then its parent ends before it.
            io::stdout().flush()
        }
        ["leave-a-session"] => {
            itself(&["in-a-session"]).spawn()?.wait()?;
            Ok(())
        }
        ["in-a-session"] => {
            rustix::process::setsid()?;
            let mut child = itself(&["sleep"]).stdout(Stdio::piped()).spawn()?;
            let mut line = String::new();
            io::BufRead::read_line(
                &mut io::BufReader::new(child.stdout.take().unwrap()),
                &mut line,
            )?;
            print!("{line}");
            io::stdout().flush()
        }
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["die"] => rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)
            .map_err(Into::into),
        _ => panic!("no such probe: {words:?}"),
    }
}

fn itself(words: &[&str]) -> Command {
    let here = Path::new(PROBE);
    let mut command = Command::new(here);
    command.arg(AS_PROBE).args(words);
    command
}

fn succeeded(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(status.to_string()))
    }
}

/// Waits until it is ended.
fn forever() -> io::Result<()> {
    loop {
        std::thread::park();
    }
}
