//! This is the process of a provider, from its start to its end.
//!
//! A thread of its own starts it and waits for it. That thread lives for as long as the process does, which Linux asks for: a
//! process that shall end with its parent ends with the *thread* that started it, so no pool may lend one.
//!
//! # Invariants
//!
//! 1. Dropping a process kills it and all of its group; that it was killed or ended by itself, its group ends with it.
//! 2. It ends when its host does, also when the host is killed.
//! 3. A number of a process is never used after the system may have given it to another.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rt::Task;
use rustix::io::FdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::output;

/// An executable that was just unpacked is busy for as long as another child of this process still holds it from before its own
/// start: a moment.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const BUSY_TRIES: u32 = 50;

/// The descriptors before this one are the three streams.
const FIRST_OF_OTHERS: RawFd = 3;

/// What was written last is read for so long after the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The system does not execute it.
    #[error("{} cannot be executed", path.display())]
    NotExecuted {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no thread, key or pipe for it.
    #[error("there is no room for the process of a provider")]
    NoRoom(#[from] io::Error),
}

/// What is executed, with what.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) path: PathBuf,
    /// All that it finds in its environment.
    pub(crate) variables: Vec<(String, String)>,
    /// What its lines in the log say of who wrote them.
    pub(crate) name: String,
}

/// A process that runs, or has ended without anybody having looked.
pub(crate) struct Process {
    group: Group,
    exit: oneshot::Receiver<Exit>,
    ended: Option<Exit>,
    /// What it writes is read until nobody can write any more.
    heard: Vec<oneshot::Receiver<()>>,
    _streams: Vec<Task>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(Option<ExitStatus>);

/// The processes that are killed together; nobody any more, when they have ended.
struct Group(Arc<Mutex<Option<Pid>>>);

/// A process whose streams nobody holds yet.
struct Started {
    group: Group,
    exit: oneshot::Receiver<Exit>,
    streams: Option<(OwnedFd, [OwnedFd; 2])>,
}

// === impl Process ===

impl Process {
    /// Starts a process and writes `line` to its standard input. To be called within the control plane's runtime.
    pub(crate) async fn spawn(launch: Launch, line: Zeroizing<Vec<u8>>) -> Result<Self, SpawnError> {
        let (path, name) = (launch.path.clone(), launch.name.clone());
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new().name("provider".into()).spawn(move || run(&launch, tell))?;
        let Started { group, exit, streams } = match told.await {
            Ok(Ok(started)) => started,
            Ok(Err(source)) => return Err(SpawnError::NotExecuted { path, source }),
            Err(_) => return Err(io::Error::other("its thread has ended").into()),
        };
        let (input, outputs) = streams.ok_or_else(|| io::Error::other("it has no streams"))?;
        let mut streams = vec![Task::spawn(write(pipe::Sender::from_owned_fd(input)?, line))];
        let mut heard = Vec::new();
        for output in outputs {
            let (output, name) = (pipe::Receiver::from_owned_fd(output)?, name.clone());
            let (tell, told) = oneshot::channel();
            heard.push(told);
            streams.push(Task::spawn(async move {
                output::log(output, name).await;
                drop(tell);
            }));
        }
        Ok(Self { group, exit, ended: None, heard, _streams: streams })
    }

    /// Its number, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.group.pid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// Kills it and all of its group.
    pub(crate) fn kill(&self) {
        self.group.kill();
    }

    /// Waits for its end, and for what it wrote last. May be waited for again, whether that was to its end or not.
    pub(crate) async fn ended(&mut self) -> Exit {
        let exit = match self.ended {
            Some(exit) => exit,
            None => (&mut self.exit).await.unwrap_or(Exit(None)),
        };
        self.ended = Some(exit);
        let last_words = async {
            while let Some(heard) = self.heard.last_mut() {
                // It is only ever dropped.
                heard.await.err();
                self.heard.pop();
            }
        };
        // Who has left its group may hold the streams for ever.
        rt::within(Some(LAST_WORDS), last_words).await.err();
        exit
    }
}

/// A provider that does not read what it is told is not waited for by anybody.
async fn write(mut input: pipe::Sender, line: Zeroizing<Vec<u8>>) {
    if let Err(error) = input.write_all(&line).await {
        tracing::debug!(%error, "a provider did not read what it was told at its start");
    }
}

/// The life of the thread.
fn run(launch: &Launch, tell: oneshot::Sender<io::Result<Started>>) {
    let mut child = match start(launch) {
        Ok(child) => child,
        Err(error) => {
            tell.send(Err(error)).err();
            return;
        }
    };
    let pid = Pid::from_child(&child);
    let group = Arc::new(Mutex::new(Some(pid)));
    let (ended, exit) = oneshot::channel();
    // Where nobody waits for it any more, what is sent is dropped, and with it the process ends.
    tell.send(Ok(Started { group: Group(group.clone()), exit, streams: streams(&mut child) })).err();
    // It is left as it is until the rest of its group has been killed: as long as it is there, its number is not another's.
    while matches!(
        rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
        Err(rustix::io::Errno::INTR)
    ) {}
    let group = Group(group);
    group.kill();
    group.forget();
    ended.send(Exit(child.wait().ok())).err();
}

fn start(launch: &Launch) -> io::Result<Child> {
    let mut command = Command::new(&launch.path);
    command.env_clear().envs(launch.variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Not the group of the host: what a terminal sends to that is for the host to answer.
    command.process_group(0);
    bind(&mut command);
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(BUSY_PAUSE),
            outcome => return outcome,
        }
    }
    command.spawn()
}

/// Binds a process to the life of this one, and to its rights. It inherits none of what this one may have inherited itself.
#[expect(
    unsafe_code,
    reason = "a process is told to end with its parent only from within, before it executes anything"
)]
fn bind(command: &mut Command) {
    let (parent, highest) = (rustix::process::getpid(), highest_descriptor());
    let confine = move || {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(Resource::Core, none)?;
        for descriptor in FIRST_OF_OTHERS..=highest {
            // SAFETY: it is borrowed for one call, which does nothing to it while this process lives.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            // Where there is none of that number there is nothing to inherit.
            rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC).err();
        }
        #[cfg(target_os = "linux")]
        {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // One that gains rights by its file would not be told of the end of its parent.
            rustix::thread::set_no_new_privs(true)?;
        }
        // The parent may have ended before it was asked to tell.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    // SAFETY: it makes system calls and nothing else. It allocates nothing and takes no lock, which another thread of this process
    // may have held when the process was copied.
    unsafe { command.pre_exec(confine) };
}

/// The highest number of a descriptor of this process. What it opens itself is not inherited, whenever it does.
fn highest_descriptor() -> RawFd {
    let open = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd"));
    let numbers = open.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.max().unwrap_or(FIRST_OF_OTHERS)
}

fn streams(child: &mut Child) -> Option<(OwnedFd, [OwnedFd; 2])> {
    let (input, output, errors) = (child.stdin.take()?, child.stdout.take()?, child.stderr.take()?);
    Some((input.into(), [output.into(), errors.into()]))
}

// === impl Group ===

impl Group {
    fn pid(&self) -> Option<Pid> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // Where nobody is left of it, that is what was wanted.
            rustix::process::kill_process_group(pid, Signal::KILL).err();
        }
    }

    /// From now on its number may be another's.
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Exit ===

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => write!(f, "exited with {code}"),
            Some((None, Some(signal))) => write!(f, "was ended by signal {signal}"),
            _ => f.write_str("ended"),
        }
    }
}
