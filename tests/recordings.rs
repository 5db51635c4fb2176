//! Recordings of real boots, judged again without QEMU: the verdict that the boot had.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Recording, stage, critical point and cause of its boot; none where the shell was reached.
type Row = (&'static str, Option<[&'static str; 3]>);

const BOOTS: &[Row] = &[
    ("healthy-trixie", None),
    (
        "race",
        Some([
            "unit",
            "condition-path-exists",
            "backdoor-device-not-pulled-in",
        ]),
    ),
    (
        "d2-blacklisted",
        Some([
            "device",
            "virtio-console-module",
            "virtio-console-blacklisted",
        ]),
    ),
    (
        "r1-root-partuuid",
        Some(["rootfs", "root-device", "root-not-found"]),
    ),
    (
        "u5-package-missing",
        Some(["unit", "package-installed", "backdoor-package-missing"]),
    ),
    (
        "g1-getty-unmasked",
        Some(["shell", "getty-masking", "getty-owns-shell-device"]),
    ),
    (
        "f1-loader-missing",
        Some(["firmware", "firmware-entry", "esp-loader-missing"]),
    ),
    (
        "l2-kernel-missing",
        Some(["bootloader", "loader-entry", "loader-entry-kernel-missing"]),
    ),
];

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(name)
}

fn replay(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .arg("replay")
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn every_recording_has_its_verdict() {
    for (name, wanted) in BOOTS {
        let output = replay(&recording(name), &["--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let verdict = &report["verdict"];
        let all = serde_json::to_string_pretty(verdict).unwrap();
        println!("{name}: {} {}", verdict["stage"], verdict["cause_id"]);
        assert_eq!(verdict["reached"], wanted.is_none(), "{name}: {all}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(wanted.is_some())),
            "{name}: {all}"
        );
        if let Some([stage, point, cause]) = wanted {
            assert_eq!(verdict["stage"], *stage, "{name}: {all}");
            assert_eq!(verdict["critical_point"], *point, "{name}: {all}");
            assert_eq!(verdict["cause_id"], *cause, "{name}: {all}");
        }
        assert!(report["timeline"].as_array().unwrap().len() > 10, "{name}");
    }
}

#[test]
fn what_is_expected_is_a_success() {
    let expected = [
        "--expect",
        "stage=unit,critical-point=condition-path-exists",
    ];
    assert_eq!(replay(&recording("race"), &expected).status.code(), Some(0));
    assert_eq!(
        replay(&recording("r1-root-partuuid"), &expected)
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        replay(&recording("healthy-trixie"), &expected)
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn a_unit_that_is_asked_about() {
    let output = replay(
        &recording("race"),
        &["--format", "json", "--unit", "systemd-udevd.service"],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["units"][0]["unit"], "systemd-udevd.service");
    assert_eq!(report["units"][0]["outcome"]["outcome"], "started");
}

#[test]
fn damaged_recordings_are_refused() {
    let missing = replay(&recording("nothing"), &[]);
    assert_eq!(missing.status.code(), Some(2));
    let dir = tempfile::tempdir().unwrap();
    for file in ["meta.json", "timeline.jsonl.zst"] {
        let bytes = std::fs::read(recording("race").join(file)).unwrap();
        std::fs::write(dir.path().join(file), &bytes[..bytes.len() / 2]).unwrap();
    }
    let cut = replay(dir.path(), &[]);
    assert_eq!(cut.status.code(), Some(2));
    let words = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert!(words.contains("meta.json"), "{words}");
}
