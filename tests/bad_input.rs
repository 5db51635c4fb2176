//! What is no image, or a broken one: a clear error with its place, exit code 3, and nothing written.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use assert_cmd::Command;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn inspect(path: &Path) -> (i32, String) {
    let output = Command::cargo_bin("isar-doctor")
        .unwrap()
        .args(["inspect", "--quiet"])
        .arg(path)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap(), text)
}

fn refused(path: &Path, words: &str) {
    let (code, text) = inspect(path);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains(words), "wanted {words:?} in: {text}");
}

#[test]
fn things_that_are_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    refused(&file("empty.wic", b""), "empty");
    refused(
        &file("text.wic", &b"hello\n".repeat(2000)),
        "not a disk image",
    );
    refused(&file("short.wic", &[0; 100]), "not a disk image");
    refused(&dir.path().join("missing.wic"), "No such file");
    let fifo = dir.path().join("fifo.wic");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    refused(&fifo, "neither a regular file nor a block device");
    refused(
        Path::new("/dev/null"),
        "neither a regular file nor a block device",
    );
    let sub = dir.path().join("directory");
    fs::create_dir(&sub).unwrap();
    refused(&sub, "no disk image (*.wic, *.img, *.raw)");
}

#[test]
fn a_file_that_may_not_be_read() {
    // root reads everything.
    if rustix::process::geteuid().is_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().join("secret.wic");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let bin = dir.path().join("isar-doctor");
        fs::copy(assert_cmd::cargo::cargo_bin("isar-doctor"), &bin).unwrap();
        let out = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&bin)
            .arg("inspect")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(3));
        assert!(
            String::from_utf8_lossy(&out.stdout).contains("Permission denied"),
            "{out:?}"
        );
    } else {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o000)).unwrap();
        refused(file.path(), "Permission denied");
    }
}

/// A sparse copy of an image, cut to `len`.
fn cut(image: &Path, dir: &Path, len: u64) -> PathBuf {
    let path = dir.join(format!("cut-{len}.wic"));
    let mut from = File::open(image).unwrap();
    let mut to = File::create(&path).unwrap();
    let mut left = len;
    let mut buf = vec![0; 1 << 20];
    while left > 0 {
        let n = from.read(&mut buf[..left.min(1 << 20) as usize]).unwrap();
        if n == 0 {
            break;
        }
        if buf[..n].iter().any(|b| *b != 0) {
            to.write_all(&buf[..n]).unwrap();
        } else {
            to.seek(SeekFrom::Current(n as i64)).unwrap();
        }
        left -= n as u64;
    }
    to.set_len(len).unwrap();
    path
}

#[test]
fn truncated_at_every_structure() {
    let image = common::image("race");
    let dir = tempfile::tempdir().unwrap();
    let disk = isar_doctor::inspect::disk::open(&image).unwrap();
    let table = isar_doctor::inspect::partitions::read(&disk).unwrap();
    let mut places = vec![100, 512, 700, 1024, 1500, 17 * 1024];
    for p in &table.partitions {
        places.extend([
            p.start,
            p.start + 100,
            p.start + 1024,
            p.start + 1100,
            p.start + 4096,
            p.start + 70_000,
            p.start + p.len / 2,
        ]);
    }
    for len in places {
        let path = cut(&image, dir.path(), len);
        let (code, text) = inspect(&path);
        assert!(
            code == 1 || code == 3,
            "cut to {len}: exit code {code}: {text}"
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_wrong_gpt_checksum_uses_the_backup_and_says_so() {
    let image = common::image("f4-gpt-primary-header-corrupt");
    let (code, text) = inspect(&image);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("gpt-primary-corrupt") && text.contains("backup"),
        "{text}"
    );
}

#[test]
fn damage_is_told_with_its_place() {
    let (code, text) = inspect(&common::image("f6-fat-chain-loop"));
    assert!(code == 1 || code == 3, "{text}");
    assert!(text.contains("p1:"), "{text}");
    let (code, text) = inspect(&common::image("r4-superblock"));
    assert!(code == 1 || code == 3, "{text}");
    assert!(text.contains("p2"), "{text}");
}

#[test]
fn wrong_usage_is_told_with_a_hint() {
    let run = |args: &[&str]| {
        let out = Command::cargo_bin("isar-doctor")
            .unwrap()
            .args(args)
            .output()
            .unwrap();
        (
            out.status.code().unwrap(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let (code, text) = run(&["inspect", "--profile", "nixos-tset", "x.wic"]);
    assert_eq!(code, 2);
    assert!(text.contains("did you mean `nixos-test`?"), "{text}");
    let (code, text) = run(&["explain", "getty-own-shell-device"]);
    assert_eq!(code, 2);
    assert!(
        text.contains("did you mean `getty-owns-shell-device`?"),
        "{text}"
    );
    let (code, _) = run(&["inspect"]);
    assert_eq!(code, 2);
}
