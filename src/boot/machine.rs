//! One started machine: its keeper, its process, its private directory, and the ends of its channels.

use super::keeper::{self, Job, Process, Said};
use super::launch::{Launch, QmpEnd, SerialEnd};
use super::trouble::{HostTrouble, Kind};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

/// `sun_path` holds 108 bytes (unix(7)); the longest socket name in the directory has 7, the directory's own 18.
const SOCKET_BASE_CAP: usize = 75;

/// The keeper answers at once; this only bounds a broken one.
const KEEPER_PATIENCE: Duration = Duration::from_secs(20);

/// A keeper with its private directory, before QEMU is started.
#[derive(Debug)]
pub struct Nest {
    keeper: Child,
    line: UnixStream,
    /// What the keeper says; handed to the [`ExitWatch`] once QEMU runs.
    said: Option<BufReader<UnixStream>>,
    dir: PathBuf,
}

/// How QEMU ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit code.
    pub code: Option<i32>,
    /// Or signal.
    pub signal: Option<i32>,
}

impl Nest {
    /// Starts the keeper, which makes the private directory. `executable` is this program; none = the running one.
    pub fn new(executable: Option<&Path>) -> Result<Nest, HostTrouble> {
        let trouble = |what: String| {
            HostTrouble::new(
                Kind::TemporaryDirectory,
                format!("the private directory for the boot could not be made: {what}"),
                "point TMPDIR at a writable directory with some free space",
            )
        };
        let base = short_base(std::env::temp_dir());
        let (line, theirs) = UnixStream::pair().map_err(|e| trouble(e.to_string()))?;
        let keeper = Command::new(executable.unwrap_or(Path::new("/proc/self/exe")))
            .arg(keeper::KEEPER)
            .arg(&base)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| trouble(e.to_string()))?;
        let reader = line.try_clone().map_err(|e| trouble(e.to_string()))?;
        let _ = reader.set_read_timeout(Some(KEEPER_PATIENCE));
        let mut nest = Nest {
            keeper,
            line,
            said: Some(BufReader::new(reader)),
            dir: PathBuf::new(),
        };
        match nest.hear() {
            Some(Said::Dir(dir)) => nest.dir = dir,
            Some(Said::Error(error)) => return Err(trouble(error)),
            _ => return Err(trouble("the keeper process did not start".into())),
        }
        Ok(nest)
    }

    /// The private directory. Gone, with all in it, when the nest is dropped or the doctor dies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn hear(&mut self) -> Option<Said> {
        let mut line = Vec::new();
        match self.said.as_mut()?.read_until(b'\n', &mut line) {
            Ok(read) if read > 0 => serde_json::from_slice(&line).ok(),
            _ => None,
        }
    }

    /// Listens where the launch wants it, and starts QEMU.
    pub fn start(mut self, launch: &Launch) -> Result<Machine, HostTrouble> {
        let trouble = |what: String| {
            HostTrouble::new(
                Kind::QemuBroken,
                format!("QEMU could not be started: {what}"),
                "see the command line with --format json, or name another QEMU with --qemu",
            )
        };
        let io = |e: std::io::Error| trouble(e.to_string());
        let listen = |path: &PathBuf| UnixListener::bind(path).map_err(io);
        let mut serial = Vec::new();
        for end in &launch.serial {
            serial.push(match end {
                SerialEnd::Socket(path) => Some(listen(path)?),
                SerialEnd::Stdout | SerialEnd::Blind(_) => None,
            });
        }
        let shell = listen(&launch.shell)?;
        let idle = launch
            .idle_sockets
            .iter()
            .map(listen)
            .collect::<Result<Vec<_>, _>>()?;
        let qmp = match &launch.qmp {
            QmpEnd::DoctorListens(path) => Some(listen(path)?),
            QmpEnd::QemuListens(_) => None,
        };
        let trace = launch
            .trace
            .as_deref()
            .map(super::trace::Fifo::create)
            .transpose()
            .map_err(io)?;
        let job = Job {
            helpers: launch.helpers.clone(),
            main: Process {
                argv: launch.argv.clone(),
                cwd: launch.cwd.clone(),
                // QEMU puts snapshot overlays into TMPDIR.
                env: vec![("TMPDIR".into(), self.dir.clone().into())],
                ready: None,
            },
        };
        let mut text = serde_json::to_vec(&job).map_err(|e| trouble(e.to_string()))?;
        text.push(b'\n');
        self.line.write_all(&text).map_err(io)?;
        let pid = match self.hear() {
            Some(Said::Pid(pid)) => pid,
            Some(Said::Error(error)) => return Err(trouble(error)),
            _ => return Err(trouble("the keeper process is gone".into())),
        };
        let said = self.said.take();
        if let Some(said) = &said {
            let _ = said.get_ref().set_read_timeout(None);
        }
        let stdout = self.keeper.stdout.take();
        let stderr = self.keeper.stderr.take();
        Ok(Machine {
            pid,
            serial,
            shell: Some(shell),
            _idle: idle,
            qmp,
            trace,
            stdout,
            stderr,
            exit: said.map(ExitWatch),
            nest: self,
        })
    }

    /// Ends QEMU (when it runs), removes the directory, and waits until that is done: the keeper's end of the line closes.
    fn end(&mut self) {
        let _ = self.line.shutdown(Shutdown::Write);
        let _ = self.line.set_read_timeout(Some(KEEPER_PATIENCE));
        let mut rest = [0; 256];
        loop {
            match self.line.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    // Stuck for long: QEMU dies with its keeper.
                    let _ = self.keeper.kill();
                    break;
                }
            }
        }
        let _ = self.keeper.wait();
        // The keeper has done it, unless somebody killed it.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        self.end();
    }
}

/// A running QEMU. Dropping it ends QEMU and removes the private directory.
#[derive(Debug)]
pub struct Machine {
    /// QEMU's process id.
    pub pid: u32,
    /// Listeners of the serial ports that have one.
    pub serial: Vec<Option<UnixListener>>,
    /// Listener of the shell device.
    pub shell: Option<UnixListener>,
    /// Control socket, when the doctor listens on it.
    pub qmp: Option<UnixListener>,
    /// Trace FIFO.
    pub trace: Option<super::trace::Fifo>,
    /// QEMU's standard output.
    pub stdout: Option<ChildStdout>,
    /// QEMU's standard error.
    pub stderr: Option<ChildStderr>,
    /// Tells how QEMU ended.
    pub exit: Option<ExitWatch>,
    _idle: Vec<UnixListener>,
    nest: Nest,
}

impl Machine {
    /// The private directory.
    pub fn dir(&self) -> &Path {
        self.nest.dir()
    }
}

/// Waits for QEMU's end.
#[derive(Debug)]
pub struct ExitWatch(BufReader<UnixStream>);

impl ExitWatch {
    /// Blocks until QEMU has ended; `None` when the doctor ended it.
    pub fn wait(mut self) -> Option<Exit> {
        let mut line = Vec::new();
        while matches!(self.0.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            if let Ok(Said::Exit { code, signal }) = serde_json::from_slice(&line) {
                return Some(Exit { code, signal });
            }
            line.clear();
        }
        None
    }
}

/// A base directory short enough for sockets.
fn short_base(wanted: PathBuf) -> PathBuf {
    if wanted.is_absolute() && wanted.as_os_str().len() <= SOCKET_BASE_CAP {
        return wanted;
    }
    PathBuf::from("/tmp")
}

/// Copies the variable store's template, writable, into the private directory.
pub fn private_copy(template: &Path, dir: &Path) -> Result<PathBuf, HostTrouble> {
    let copy = dir.join("vars.fd");
    let io = |error: std::io::Error| {
        HostTrouble::new(
            Kind::FirmwareMissing,
            format!(
                "the variable store {} could not be copied: {error}",
                template.display()
            ),
            "make it readable, or name another with --ovmf-vars",
        )
    };
    let mut from = File::open(template).map_err(io)?.take(64 << 20);
    let mut to = File::create_new(&copy).map_err(io)?;
    std::io::copy(&mut from, &mut to).map_err(io)?;
    Ok(copy)
}
