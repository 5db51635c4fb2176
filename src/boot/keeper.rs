//! The keeper: a tiny process that outlives the doctor just long enough to end QEMU and remove the private directory.
//!
//! It is the same executable under a hidden first argument, in a session of its own, so that neither Ctrl-C nor a
//! closed terminal reaches it. It holds one end of a socket pair; when the doctor goes away for whatever reason
//! (normal end, panic, SIGKILL), the kernel closes the other end, the keeper reads end-of-file, and cleans up.
//! Should the keeper itself be killed, the kernel kills QEMU (`PR_SET_PDEATHSIG`, prctl(2)).
//!
//! ```text
//! doctor ──socket pair──> keeper ──> shim, which sets its death signal and becomes QEMU
//! ```
//!
//! Over the socket pair go lines of JSON: [`Said`] from the keeper, one [`Job`] to it.

use super::run_script::recorder::{self, RECORDER};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// First argument that makes this executable a keeper.
pub const KEEPER: &str = "__keeper";
/// First argument that makes it the shim in front of QEMU.
const SHIM: &str = "__shim";

/// QEMU gets this long after SIGTERM (it flushes images that have no snapshot), then SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A virtual switch is ready at once.
const HELPER_PATIENCE: Duration = Duration::from_secs(5);

/// A process for the keeper to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Environment on top of the doctor's own.
    pub env: Vec<(OsString, OsString)>,
    /// A file that appears when the process is ready.
    pub ready: Option<PathBuf>,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Started first, ended last (a virtual switch).
    pub helpers: Vec<Process>,
    /// QEMU.
    pub main: Process,
}

/// What the keeper tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// The private directory is there.
    Dir(PathBuf),
    /// QEMU runs under this process id.
    Pid(u32),
    /// QEMU ended.
    Exit {
        /// Exit code.
        code: Option<i32>,
        /// Or the signal that killed it.
        signal: Option<i32>,
    },
    /// Something could not be started.
    Error(String),
}

/// Runs as keeper, shim or recorder when the arguments say so; `None` for an ordinary start.
/// To be called first thing in `main`.
pub fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    match arguments.get(1)?.to_str()? {
        KEEPER => Some(keep(Path::new(arguments.get(2)?))),
        SHIM => Some(shim(&arguments[2..])),
        RECORDER => Some(recorder::record(&arguments[2..])),
        _ => None,
    }
}

/// Becomes the program given, after asking the kernel to kill it when the parent dies.
/// `prctl(2)`: the setting survives `execve(2)` but not `fork(2)`, so it is made here, between the two.
fn shim(arguments: &[OsString]) -> ExitCode {
    let [parent, program, rest @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let parent = parent.to_str().and_then(|p| p.parse::<i32>().ok());
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        || rustix::process::getppid().map(|p| p.as_raw_nonzero().get()) != parent
    {
        return ExitCode::from(126);
    }
    let error = Command::new(program).args(rest).exec();
    let _ = writeln!(std::io::stderr(), "{}: {error}", program.display());
    ExitCode::from(127)
}

enum Happened {
    MainExited,
    DoctorGone,
}

fn keep(base: &Path) -> ExitCode {
    let _ = rustix::process::setsid();
    // Swallowed: only the doctor's end decides. The flags are never read.
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
        signal_hook::consts::SIGQUIT,
        signal_hook::consts::SIGPIPE,
    ] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    let Ok(line) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(2);
    };
    let line = UnixStream::from(line);
    let Ok(writer) = line.try_clone() else {
        return ExitCode::from(2);
    };
    let mut keeper = Keeper {
        writer,
        helpers: Vec::new(),
    };
    let dir = match private_dir(base) {
        Ok(dir) => dir,
        Err(error) => {
            keeper.say(&Said::Error(format!("{}: {error}", base.display())));
            return ExitCode::FAILURE;
        }
    };
    keeper.say(&Said::Dir(dir.clone()));
    keeper.serve(BufReader::new(line));
    for mut helper in keeper.helpers {
        let _ = helper.kill();
        let _ = helper.wait();
    }
    let _ = std::fs::remove_dir_all(&dir);
    ExitCode::SUCCESS
}

struct Keeper {
    writer: UnixStream,
    helpers: Vec<Child>,
}

impl Keeper {
    fn say(&mut self, said: &Said) {
        if let Ok(mut line) = serde_json::to_vec(said) {
            line.push(b'\n');
            let _ = self.writer.write_all(&line);
        }
    }

    /// Waits for the job, runs it, and returns when the doctor is gone and QEMU has ended.
    fn serve(&mut self, mut line: BufReader<UnixStream>) {
        let mut text = Vec::new();
        let job = match line.read_until(b'\n', &mut text) {
            Ok(read) if read > 0 => serde_json::from_slice::<Job>(&text),
            _ => return,
        };
        let (sender, happened) = channel();
        let gone = sender.clone();
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            while matches!(line.read_until(b'\n', &mut rest), Ok(read) if read > 0) {
                rest.clear();
            }
            let _ = gone.send(Happened::DoctorGone);
        });
        let main = job
            .map_err(|error| error.to_string())
            .and_then(|job| self.start(job, sender));
        let main = match main {
            Ok(main) => main,
            Err(error) => {
                self.say(&Said::Error(error));
                let _ = happened.recv();
                return;
            }
        };
        let mut running = true;
        while let Ok(what) = happened.recv() {
            match what {
                Happened::MainExited => running = false,
                Happened::DoctorGone => break,
            }
        }
        if running {
            let _ = rustix::process::pidfd_send_signal(&main, Signal::TERM);
            if let Err(RecvTimeoutError::Timeout) = happened.recv_timeout(GRACE) {
                let _ = rustix::process::pidfd_send_signal(&main, Signal::KILL);
                let _ = happened.recv_timeout(GRACE);
            }
        }
    }

    /// Starts helpers and QEMU; a thread waits for QEMU and tells both the doctor and `sender`.
    fn start(&mut self, job: Job, sender: Sender<Happened>) -> Result<OwnedFd, String> {
        for helper in job.helpers {
            let child = spawn(&helper, Stdio::null())
                .map_err(|error| format!("{}: {error}", helper.argv[0].display()))?;
            self.helpers.push(child);
            let ready = helper.ready.as_deref();
            if !ready.is_none_or(|file| appears(file, &mut self.helpers)) {
                return Err(format!("{} did not get ready", helper.argv[0].display()));
            }
        }
        let mut child = spawn(&job.main, Stdio::inherit()).map_err(|error| error.to_string())?;
        let pid = child.id();
        let pidfd = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or("no process id")
            .and_then(|pid| {
                rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_| "no pidfd")
            })
            .map_err(str::to_owned)?;
        self.say(&Said::Pid(pid));
        let mut keeper = Keeper {
            writer: self.writer.try_clone().map_err(|error| error.to_string())?,
            helpers: Vec::new(),
        };
        std::thread::spawn(move || {
            // QEMU's own stdin stays open until it ends: a stdio chardev takes end-of-file as a hang-up.
            let stdin = child.stdin.take();
            let status = child.wait().ok();
            drop(stdin);
            keeper.say(&Said::Exit {
                code: status.and_then(|s| s.code()),
                signal: status.and_then(|s| s.signal()),
            });
            let _ = sender.send(Happened::MainExited);
        });
        Ok(pidfd)
    }
}

fn spawn(process: &Process, output: Stdio) -> std::io::Result<Child> {
    let own = std::env::current_exe()?;
    // Also right when the file was replaced since the start (a rebuild during a long boot).
    let running = Path::new("/proc/self/exe");
    Command::new(if running.exists() { running } else { &own })
        .arg0("isar-doctor")
        .arg(SHIM)
        .arg(std::process::id().to_string())
        .args(&process.argv)
        .current_dir(&process.cwd)
        .envs(process.env.iter().map(|(key, value)| (key, value)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::inherit())
        .spawn()
}

/// Waits for a file that one of the helpers makes.
fn appears(file: &Path, helpers: &mut [Child]) -> bool {
    let deadline = Instant::now() + HELPER_PATIENCE;
    while !file.exists() {
        let ended = helpers
            .iter_mut()
            .any(|helper| !matches!(helper.try_wait(), Ok(None)));
        if ended || Instant::now() > deadline {
            return false;
        }
        // Only a directory watch could announce the file; a switch takes a few milliseconds.
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A fresh directory that only this user can enter.
fn private_dir(base: &Path) -> std::io::Result<PathBuf> {
    let dir = tempfile::Builder::new()
        .prefix("isar-doctor-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(base)?;
    Ok(dir.keep())
}
