//! Runs a start script with QEMU replaced, in the environment that the test driver makes.

use super::recorder::{self, RECORDER};
use super::rewrite::{read_script, rewrite};
use super::{machine_name, vlans};
use crate::boot::trouble::{BootError, HostTrouble, Kind};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A start script makes a directory or two and execs QEMU.
const PATIENCE: Duration = Duration::from_secs(60);
/// Words of the script on stderr that are shown when it fails.
const STDERR_CAP: u64 = 4096;

/// What the script would have started.
#[derive(Debug)]
pub struct Expanded {
    /// Machine name.
    pub name: String,
    /// QEMU's arguments, program first.
    pub argv: Vec<String>,
    /// The emulator that the script names by absolute path.
    pub qemu: Option<PathBuf>,
    /// Test networks and their socket directories.
    pub vlans: Vec<(u32, PathBuf)>,
    /// The script's working directory, in which its relative paths hold.
    pub cwd: PathBuf,
    /// Where the driver's sockets are.
    pub sockets: Sockets,
}

/// The driver's sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// `-qmp`; QEMU listens.
    pub qmp: PathBuf,
    /// `-monitor`; the driver listens.
    pub monitor: PathBuf,
    /// Shell chardev; the driver listens.
    pub shell: PathBuf,
}

/// What the driver appends (`QemuStartCommand.cmd`), in its order.
fn driver_arguments(sockets: &Sockets) -> Vec<OsString> {
    let with = |prefix: &str, path: &Path, suffix: &str| {
        let mut value = OsString::from(prefix);
        value.push(path);
        value.push(suffix);
        value
    };
    [
        "-qmp".into(),
        with("unix:", &sockets.qmp, ",server=on,wait=off"),
        "-monitor".into(),
        with("unix:", &sockets.monitor, ""),
        "-chardev".into(),
        with("socket,id=shell,path=", &sockets.shell, ""),
        "-device".into(),
        "virtio-serial".into(),
        "-device".into(),
        "virtconsole,chardev=shell".into(),
        "-device".into(),
        "virtio-rng-pci".into(),
        "-serial".into(),
        "stdio".into(),
        "-no-reboot".into(),
        "-nographic".into(),
    ]
    .into()
}

/// Expands a script. Everything it makes goes into `dir`, which is private and removed afterwards.
pub fn expand(script: &Path, dir: &Path, executable: Option<&Path>) -> Result<Expanded, BootError> {
    let usage = |what: String| BootError::Usage(format!("{}: {what}", script.display()));
    let script_path = fs::canonicalize(script).map_err(|e| usage(e.to_string()))?;
    let text = read_script(&script_path)
        .ok_or_else(|| usage("not a start script (a text file that begins with #!)".into()))?;
    let io = |error: std::io::Error| {
        BootError::Host(HostTrouble::new(
            Kind::TemporaryDirectory,
            format!("the start script could not be expanded: {error}"),
            "point TMPDIR at a writable directory with some free space",
        ))
    };
    let name = machine_name(script);
    let state = dir.join(format!("vm-state-{name}"));
    let shared = dir.join("shared-xchg");
    let private = dir.join("scripts");
    let shadow = dir.join("bin");
    for directory in [&state, &shared, &private, &shadow] {
        fs::create_dir_all(directory).map_err(io)?;
    }
    let recorder_path = shadow.join("qemu-system-x86_64");
    write_recorder(&shadow, dir, executable).map_err(io)?;
    let place = |path: &Path| {
        let file = path.file_name().unwrap_or_default();
        if path == script_path {
            private.join("main").join(file)
        } else {
            let digest: u64 = path
                .as_os_str()
                .as_encoded_bytes()
                .iter()
                .fold(7, |n: u64, b| {
                    n.wrapping_mul(31).wrapping_add(u64::from(*b))
                });
            private.join(format!("{digest:016x}")).join(file)
        }
    };
    let rewritten = rewrite(&script_path, &text, &recorder_path, &place);
    for (original, text) in &rewritten.scripts {
        write_script(original, &place(original), text).map_err(io)?;
    }
    let sockets = Sockets {
        qmp: state.join("qmp"),
        monitor: state.join("monitor"),
        shell: state.join("shell"),
    };
    let vlans: Vec<(u32, PathBuf)> = rewritten
        .scripts
        .values()
        .flat_map(|text| vlans(text))
        .map(|n| (n, dir.join(format!("vde{n}.ctl"))))
        .collect();
    let mut command = interpreter(&text, &place(&script_path));
    let mut path = OsString::from(&shadow);
    if let Some(own) = std::env::var_os("PATH") {
        path.push(":");
        path.push(own);
    }
    command
        .args(driver_arguments(&sockets))
        .current_dir(&state)
        .env("PATH", path)
        .env("TMPDIR", &state)
        .env("SHARED_DIR", &shared)
        .env("USE_TMPDIR", "1")
        .envs(
            vlans
                .iter()
                .map(|(n, socket)| (format!("QEMU_VDE_SOCKET_{n}"), socket)),
        )
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|e| usage(e.to_string()))?;
    let stderr = wait(child).ok_or_else(|| {
        usage(format!(
            "did not start QEMU within {} s",
            PATIENCE.as_secs()
        ))
    })?;
    let Some(argv) = recorder::recorded(dir) else {
        let said = stderr.trim();
        let why = if said.is_empty() {
            "it ended without saying why".to_owned()
        } else {
            format!("it said: {said}")
        };
        return Err(usage(format!("did not start QEMU; {why}")));
    };
    recorder::restore(dir, &state).map_err(io)?;
    Ok(Expanded {
        name,
        argv: argv
            .into_iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect(),
        qemu: rewritten.qemu,
        vlans,
        cwd: state,
        sockets,
    })
}

/// The stand-ins for every name that QEMU goes by on `PATH`.
fn write_recorder(shadow: &Path, dir: &Path, executable: Option<&Path>) -> std::io::Result<()> {
    let own = match executable {
        Some(executable) => executable.to_owned(),
        None => std::env::current_exe()?,
    };
    let text = format!(
        "#!/bin/sh\nexec {} {RECORDER} {} \"$0\" \"$@\"\n",
        shell_quoted(&own),
        shell_quoted(dir)
    );
    for name in [
        "qemu-system-x86_64",
        "qemu-system-aarch64",
        "qemu-kvm",
        "kvm",
    ] {
        let path = shadow.join(name);
        fs::write(&path, &text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Writes a private copy beside links to the original's neighbours, so that `$(dirname "$0")/image.wic` is still found.
fn write_script(original: &Path, copy: &Path, text: &str) -> std::io::Result<()> {
    let Some(directory) = copy.parent() else {
        return Ok(());
    };
    fs::create_dir_all(directory)?;
    if let Some(neighbours) = original.parent() {
        for entry in fs::read_dir(neighbours).into_iter().flatten().flatten() {
            // A neighbour that cannot be linked is missed by the script itself, if it needs it.
            let _ = symlink(entry.path(), directory.join(entry.file_name()));
        }
    }
    if copy.symlink_metadata().is_ok() {
        fs::remove_file(copy)?;
    }
    fs::write(copy, text)?;
    fs::set_permissions(copy, Permissions::from_mode(0o700))
}

/// The script's own interpreter, called directly: the private directory may be mounted noexec.
fn interpreter(text: &str, copy: &Path) -> Command {
    let line = text
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("#!"))
        .unwrap_or("/bin/sh");
    let mut words = line.trim().splitn(2, [' ', '\t']);
    let mut command = Command::new(words.next().filter(|w| !w.is_empty()).unwrap_or("/bin/sh"));
    // The kernel passes all behind the interpreter as one argument; `env -S` splits it itself.
    if let Some(argument) = words.next().map(str::trim).filter(|a| !a.is_empty()) {
        command.arg(argument);
    }
    command.arg(copy);
    command
}

/// Waits for the script; its last words, or none when it took too long. Ends all that it left running.
fn wait(mut child: Child) -> Option<String> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
    let stderr = child.stderr.take();
    let (sender, receiver) = channel();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(STDERR_CAP).read_to_end(&mut said);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    std::thread::spawn(move || {
        let _ = waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        let _ = sender.send(());
    });
    let ended = receiver.recv_timeout(PATIENCE).is_ok();
    // The script is not reaped yet, so its group is still its own. What it left in the background would hold its stderr open.
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = child.wait();
    let said = reader.join().unwrap_or_default();
    ended.then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script like those that are made for ISAR images: VLAN loop, copy of the variable store, trap, exec.
    const SCRIPT: &str = r#"#!/usr/bin/env bash
set -euo pipefail
NAME="server_1"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
echo vars > "$WORK/OVMF_VARS.fd"
NET=()
for var in $(env | grep '^QEMU_VDE_SOCKET_' | cut -d= -f1 | sort); do
  n=${var##*_}
  NET+=(-netdev "vde,id=vlan$n,sock=${!var}" -device "virtio-net-pci,netdev=vlan$n")
done
exec /nix/store/none-qemu/bin/qemu-system-x86_64 -m 1024 \
  -drive "file=$(dirname "$0")/an image.wic,if=virtio,snapshot=on" \
  -drive "if=pflash,file=$WORK/OVMF_VARS.fd" "${NET[@]}" -serial null "$@"
"#;

    #[test]
    fn a_start_script_is_expanded_without_its_qemu() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("run-server_1-vm");
        // Without `exec` the trap runs when the stand-in ends.
        std::fs::write(&script, SCRIPT.replace("exec /nix", "/nix")).unwrap();
        std::fs::write(directory.path().join("an image.wic"), "x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        // The test harness is no recorder: a shell script does its part.
        let fake = directory.path().join("fake");
        std::fs::write(
            &fake,
            "#!/bin/sh\nshift; d=$1; shift; mkdir -p $d/kept; cp -r $TMPDIR/. $d/kept; printf '%s\\0' \"$@\" > $d/argv\n",
        )
        .unwrap();
        fs::set_permissions(&fake, Permissions::from_mode(0o700)).unwrap();
        let expanded = expand(&script, dir.path(), Some(&fake)).unwrap();
        assert_eq!(expanded.name, "server_1");
        assert_eq!(
            expanded.qemu,
            Some("/nix/store/none-qemu/bin/qemu-system-x86_64".into())
        );
        let line = expanded.argv.join(" ");
        assert!(
            line.contains("/an image.wic,if=virtio,snapshot=on"),
            "{line}"
        );
        assert!(line.contains("-netdev vde,id=vlan1,sock="), "{line}");
        assert!(
            line.ends_with("-serial stdio -no-reboot -nographic"),
            "{line}"
        );
        let vars = expanded
            .argv
            .iter()
            .find_map(|a| a.strip_prefix("if=pflash,file="))
            .unwrap();
        assert!(Path::new(vars).is_file(), "the trap's victim is back");
        let image = expanded
            .argv
            .iter()
            .find_map(|a| {
                a.strip_prefix("file=")?
                    .strip_suffix(",if=virtio,snapshot=on")
            })
            .unwrap();
        assert!(Path::new(image).is_file());
    }

    #[test]
    fn a_script_that_starts_nothing_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("run-x-vm");
        std::fs::write(&script, "#!/bin/sh\necho no image >&2; exit 1\n").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let error = expand(&script, dir.path(), None).unwrap_err().to_string();
        assert!(
            error.ends_with("did not start QEMU; it said: no image"),
            "{error}"
        );
        std::fs::write(&script, "not a script").unwrap();
        let error = expand(&script, dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("not a start script"), "{error}");
    }
}
