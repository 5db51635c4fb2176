//! Trouble of the host: exit code 4, one clear sentence, a remedy, and the JSON document all the same.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Refused {
    code: Option<i32>,
    stderr: String,
    report: Value,
}

fn boot(arguments: &[&str], set: impl FnOnce(&mut Command)) -> Refused {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"));
    command
        .args(["boot", "--quiet", "--format", "json"])
        .args(arguments)
        .stdin(Stdio::null());
    set(&mut command);
    let output = command.output().unwrap();
    Refused {
        code: output.status.code(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        report: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
    }
}

impl Refused {
    fn says(&self, cause: &str, words: &str) {
        assert_eq!(self.code, Some(4), "{}", self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(
            lines.len(),
            2,
            "one sentence and one remedy: {}",
            self.stderr
        );
        assert!(lines[0].contains(words), "{}", self.stderr);
        assert!(lines[1].contains("try: "), "{}", self.stderr);
        let verdict = &self.report["verdict"];
        assert_eq!(verdict["cause_id"], cause, "{}", self.report);
        assert_eq!(verdict["stage"], "host");
        assert_eq!(verdict["critical_point"], "host");
        assert_eq!(verdict["blame"], "host");
        assert_eq!(verdict["reached"], false);
    }
}

fn blank(directory: &Path) -> PathBuf {
    let image = directory.join("blank.wic");
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    image
}

/// A stand-in for QEMU: answers `--version`, and fails as told.
fn fake_qemu(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("fake-qemu");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'QEMU emulator version 8.2.0'; exit 0; }}\n{script}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn no_qemu() {
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    let image = image.to_str().unwrap();
    boot(
        &[image, "--qemu", "/nonexistent/qemu-system-x86_64"],
        |_| {},
    )
    .says("qemu-missing", "cannot be used as QEMU");
    boot(&[image, "--qemu", "/bin/true"], |_| {}).says("qemu-broken", "cannot be used as QEMU");
}

#[test]
fn no_firmware_or_one_that_does_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    let image = image.to_str().unwrap();
    boot(&[image, "--ovmf-code", "/nonexistent/CODE.fd"], |_| {})
        .says("firmware-missing", "/nonexistent/CODE.fd");
    let code = directory.path().join("OVMF_CODE_4M.fd");
    let vars = directory.path().join("OVMF_VARS.fd");
    fs::File::create(&code).unwrap().set_len(3_653_632).unwrap();
    fs::File::create(&vars).unwrap().set_len(131_072).unwrap();
    let (code, vars) = (code.to_str().unwrap(), vars.to_str().unwrap());
    boot(&[image, "--ovmf-code", code, "--ovmf-vars", vars], |_| {})
        .says("firmware-pair-mismatch", "do not belong together");
}

#[test]
fn images_that_cannot_be_booted() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    boot(&["/nonexistent/image.wic"], |_| {}).says("image-unreadable", "No such file");
    fs::write(path("empty.wic"), "").unwrap();
    boot(&[path("empty.wic").to_str().unwrap()], |_| {}).says("image-unreadable", "is empty");
    fs::write(path("packed.wic.zst"), b"\x28\xb5\x2f\xfd0000").unwrap();
    boot(&[path("packed.wic.zst").to_str().unwrap()], |_| {})
        .says("image-unreadable", "compressed with zstd");
    boot(&[directory.path().to_str().unwrap()], |_| {})
        .says("image-unreadable", "not a disk image");
    let fifo = path("fifo.wic");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    boot(&[fifo.to_str().unwrap()], |_| {}).says("image-unreadable", "not a disk image");
}

#[test]
fn memory_too_little_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    let image = image.to_str().unwrap();
    boot(&[image, "--memory", "64"], |_| {}).says("memory-too-small", "64 MiB");
    boot(&[image, "--memory", "99999999"], |_| {}).says("memory-unavailable", "available");
}

#[test]
fn a_locked_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    let holder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/launch/hold-lock");
    let mut holder = Command::new(holder)
        .arg(&image)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(holder.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    let refused = boot(&[image.to_str().unwrap(), "--accel", "tcg"], |_| {});
    holder.kill().unwrap();
    holder.wait().unwrap();
    refused.says("image-locked", "in use by another process");
}

#[test]
fn broken_kvm_when_kvm_is_demanded() {
    if !Path::new("/dev/kvm").exists() {
        let directory = tempfile::tempdir().unwrap();
        let image = blank(directory.path());
        boot(&[image.to_str().unwrap(), "--accel", "kvm"], |_| {}).says("kvm-missing", "/dev/kvm");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    let broken = fake_qemu(
        directory.path(),
        "echo 'qemu-system-x86_64: error: failed to set MSR 0x48f to 0x7f' >&2; kill -ABRT $$",
    );
    boot(
        &[
            image.to_str().unwrap(),
            "--accel",
            "kvm",
            "--qemu",
            broken.to_str().unwrap(),
        ],
        |_| {},
    )
    .says("kvm-broken", "failed to set MSR");
}

#[test]
fn a_temporary_directory_that_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let image = blank(directory.path());
    boot(&[image.to_str().unwrap()], |command| {
        command.env("TMPDIR", "/nonexistent/tmp");
    })
    .says("temporary-directory", "/nonexistent/tmp");
}

#[test]
fn wrong_usage_is_exit_2() {
    let empty = tempfile::tempdir().unwrap();
    let refused = boot(&[], |command| {
        command.current_dir(empty.path());
    });
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("no *.wic file"));
    for arguments in [
        &["--expect", "stage=nowhere"][..],
        &["--timeout", "-1"],
        &["--smp", "0"],
        &["--profile", "nobody", "x.wic"],
    ] {
        let code = boot(arguments, |_| {}).code;
        // The image is looked at before the profile.
        assert!(matches!(code, Some(2 | 4)), "{arguments:?}: {code:?}");
    }
}

#[test]
fn host_tells_what_it_found() {
    let output = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(["host", "--format", "json", "--qemu", "/nonexistent/qemu"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["can_boot"], false);
    assert!(
        report["troubles"][0]["remedy"]
            .as_str()
            .unwrap()
            .contains("--qemu")
    );
}
