//! Nothing survives the doctor: whatever ends it and whenever, QEMU is gone and the private directory is removed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The keeper gives QEMU two seconds after SIGTERM; a loaded host takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk that the firmware finds nothing on: it ends in the EFI shell.
fn blank(directory: &Path) -> std::path::PathBuf {
    let image = directory.join("blank.wic");
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    image
}

fn start(directory: &Path, private: &Path) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(["boot", "--accel", "tcg", "--quiet", "--timeout", "60"])
        .arg(blank(directory))
        .env("TMPDIR", private)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Processes whose command line names the directory.
fn processes(private: &Path) -> Vec<String> {
    let needle = private.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(needle))
        .collect()
}

fn nothing_is_left(private: &Path, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files: Vec<_> = fs::read_dir(private).unwrap().flatten().collect();
        let running = processes(private);
        if files.is_empty() && running.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{when}: left {files:?}, running {running:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until QEMU runs.
fn qemu_runs(private: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !processes(private)
        .iter()
        .any(|line| line.contains("-name isar-doctor"))
    {
        assert!(Instant::now() < deadline, "QEMU was not started");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn killed_at_any_moment_it_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let private = tempfile::tempdir().unwrap();
    // From before the keeper runs to the running firmware; a fixed sequence, so that a failure can be repeated.
    for (n, millis) in [0, 3, 7, 12, 18, 25, 35, 50, 80, 130, 300, 700, 1500]
        .into_iter()
        .enumerate()
    {
        let mut child = start(directory.path(), private.path());
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        wait(child);
        nothing_is_left(
            private.path(),
            &format!("round {n}, killed after {millis} ms"),
        );
    }
}

#[test]
fn signals_end_it_cleanly_with_their_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let private = tempfile::tempdir().unwrap();
        let child = start(directory.path(), private.path());
        qemu_runs(private.path());
        signal(&child, name);
        assert_eq!(wait(child).code(), Some(code), "SIG{name}");
        nothing_is_left(private.path(), name);
    }
}

#[test]
fn an_interrupted_boot_reports_what_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let private = tempfile::tempdir().unwrap();
    let child = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(["boot", "--accel", "tcg", "--quiet", "--format", "json"])
        .arg(blank(directory.path()))
        .env("TMPDIR", private.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    qemu_runs(private.path());
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ended"]["why"], "interrupted");
    assert_eq!(report["stages"]["host"]["reached"], true);
    nothing_is_left(private.path(), "interrupted");
}

#[test]
fn a_killed_keeper_takes_qemu_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let private = tempfile::tempdir().unwrap();
    let child = start(directory.path(), private.path());
    qemu_runs(private.path());
    let keeper = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find(|entry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                let line = String::from_utf8_lossy(&line);
                line.contains("__keeper") && line.contains(private.path().to_str().unwrap())
            })
        })
        .unwrap();
    let id = keeper.file_name().into_string().unwrap();
    assert!(
        Command::new("kill")
            .args(["-KILL", &id])
            .status()
            .unwrap()
            .success()
    );
    let code = wait(child).code();
    assert!(code.is_some_and(|c| c != 0), "exit code {code:?}");
    nothing_is_left(private.path(), "keeper killed");
}
