//! Start scripts of the test driver: expanded, linted and booted.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// As such scripts are made for ISAR images: machine name, VLAN loop, a private copy of the variable store with its trap, an absolute
/// path to QEMU, a first serial port to nowhere, and the driver's arguments at the end.
const SCRIPT: &str = r#"#!/usr/bin/env bash
set -euo pipefail
NAME="server_1"
TMP_VARS=$(mktemp -d "${TMPDIR:-/tmp}/ovmf.XXXXXX")
trap 'rm -rf "$TMP_VARS"' EXIT
cp @VARS@ "$TMP_VARS/OVMF_VARS.fd"
chmod u+w "$TMP_VARS/OVMF_VARS.fd"

NET_OPTS=()
NAME_HASH=$(echo -n "$NAME" | md5sum | cut -c1-4)
for var in $(env | grep '^QEMU_VDE_SOCKET_' | cut -d= -f1 | sort); do
  VLAN_NUM=${var#QEMU_VDE_SOCKET_}
  MAC="52:54:00:${NAME_HASH:0:2}:${NAME_HASH:2:2}:$(printf '%02x' "$VLAN_NUM")"
  NET_OPTS+=(-netdev "vde,id=vlan$VLAN_NUM,sock=${!var}" -device "virtio-net-pci,netdev=vlan$VLAN_NUM,mac=$MAC")
done

exec @QEMU@ \
  -name "$NAME" -machine q35 -cpu @CPU@ @KVM@ -m @MEMORY@ -smp 2 \
  -drive file=@IMAGE@,format=raw,if=virtio,snapshot=on \
  -drive if=pflash,format=raw,unit=0,readonly=on,file=@CODE@ \
  -drive if=pflash,format=raw,unit=1,file="$TMP_VARS/OVMF_VARS.fd" \
  "${NET_OPTS[@]}" \
  @SERIAL@ \
  "$@"
"#;

/// What `isar-doctor host` found here.
fn host() -> Value {
    let output = doctor(&["host", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["host"].clone()
}

fn doctor(arguments: &[&str]) -> std::process::Output {
    Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn write_script(directory: &Path, image: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let host = host();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut script = SCRIPT.to_owned();
    for (from, to) in changes {
        script = script.replace(from, to);
    }
    let script = script
        .replace("@QEMU@", &text(&host["qemu"]))
        .replace("@CODE@", &text(&host["firmware"]["code"]))
        .replace("@VARS@", &text(&host["firmware"]["vars"]))
        .replace("@IMAGE@", image.to_str().unwrap())
        .replace("@CPU@", "host")
        .replace("@KVM@", "-enable-kvm")
        .replace("@MEMORY@", "1024")
        .replace("@SERIAL@", "-serial null");
    let path = directory.join("run-server_1-vm");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn boot(script: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["boot", "--quiet", "--format", "json", "--run-script"];
    arguments.push(script.to_str().unwrap());
    arguments.extend(more);
    let output = doctor(&arguments);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), report)
}

fn command_line(report: &Value) -> String {
    let words: Vec<&str> = report["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    words.join(" ")
}

fn rules(report: &Value) -> Vec<&str> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["argument"].is_string())
        .map(|f| f["rule"].as_str().unwrap())
        .collect()
}

#[test]
fn a_real_script_is_expanded_linted_and_booted_to_the_shell() {
    let directory = tempfile::tempdir().unwrap();
    let script = write_script(directory.path(), &common::image("healthy"), &[]);
    let (code, report) = boot(&script, &["--settle", "0"]);
    let line = command_line(&report);
    assert!(
        line.contains("-name server_1 -machine q35"),
        "the script's own words: {line}"
    );
    for driver in [
        "-monitor unix:",
        "-chardev socket,id=shell,path=",
        "-device virtio-serial ",
        "-device virtio-rng-pci",
        "-serial stdio",
        "-no-reboot",
        "-nographic",
    ] {
        assert!(line.contains(driver), "{driver}: {line}");
    }
    assert!(
        line.contains("mac=52:54:00:a9:d3:01"),
        "the script's own loop over the networks: {line}"
    );
    assert_eq!(report["verdict"]["reached"], true, "{}", report["verdict"]);
    assert!(rules(&report).contains(&"serial-null-first"));
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["rule"] == "serial-null-first")
        .unwrap();
    assert_eq!(finding["critical_point"], "serial-layout");
    assert_eq!(finding["argument"], "-serial null");
    // An error of the launch, although the shell was reached.
    assert_eq!(code, Some(1));
}

#[test]
fn what_the_doctor_changes_is_told_and_the_image_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("blank image,1.wic");
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    // Quoted as a careful script would, and without protection.
    let script = write_script(
        directory.path(),
        &image,
        &[(
            "file=@IMAGE@,format=raw,if=virtio,snapshot=on",
            "\"file=$(dirname \"$0\")/blank image,,1.wic,if=virtio\"",
        )],
    );
    let (_, report) = boot(&script, &["--accel", "tcg"]);
    let added: Vec<&str> = report["added_by_doctor"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap())
        .collect();
    let added = added.join("\n");
    for what in [
        "emulation (TCG) in place of KVM",
        "-snapshot: the image is never written",
        "id=isar-doctor-shell on the virtconsole",
        "memory-backend-memfd",
        "trace",
        "-serial null in the script",
    ] {
        assert!(added.contains(what), "{what}: {added}");
    }
    let found = rules(&report);
    for rule in [
        "serial-null-first",
        "launch-image-writable",
        "launch-image-format-missing",
    ] {
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
    assert_eq!(
        report["verdict"]["stage"], "firmware",
        "{}",
        report["verdict"]
    );
    let (code, _) = {
        let output = doctor(&[
            "boot",
            "--exact",
            "--run-script",
            script.to_str().unwrap(),
            "--accel",
            "tcg",
        ]);
        (output.status.code(), output)
    };
    assert_eq!(code, Some(2), "--exact does not let the guest write");
}

#[test]
fn a_script_that_starts_nothing_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("run-x-vm");
    fs::write(
        &script,
        "#!/bin/sh\necho the image is missing >&2\nexit 3\n",
    )
    .unwrap();
    let output = doctor(&["boot", "--run-script", script.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the image is missing"), "{said}");
}

/// With precisely the driver's arguments the shell is reached too, and the report says what was not seen.
#[test]
#[ignore = "a second boot of the same script: make test-full"]
fn exact_runs_with_the_drivers_arguments_alone() {
    let directory = tempfile::tempdir().unwrap();
    let changes = [("@CPU@", "max"), ("@KVM@", "-accel tcg")];
    // A host without vde_switch cannot run a VLAN exactly.
    let no_network = ("\"${NET_OPTS[@]}\"", "");
    let script = write_script(
        directory.path(),
        &common::image("healthy"),
        &[changes[0], changes[1], no_network],
    );
    let (_, report) = boot(&script, &["--exact", "--settle", "0"]);
    assert_eq!(report["verdict"]["reached"], true, "{}", report["verdict"]);
    assert_eq!(report["added_by_doctor"].as_array().unwrap().len(), 0);
    let line = command_line(&report);
    assert!(line.ends_with("-no-reboot -nographic"), "{line}");
    assert!(
        !line.contains("-trace") && !line.contains("memfd"),
        "{line}"
    );
    let blind = report["verdict"]["blind"].to_string();
    assert!(
        blind.contains("disk reads") && blind.contains("-serial null"),
        "{blind}"
    );
}
