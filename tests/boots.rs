//! Boots of real images under QEMU: the verdict against the fixture's expectation.
//!
//! A few run in `make test`, which also replays recorded boots; every other fixture that boots in the usual way runs in
//! `make test-full`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use serde_json::Value;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

/// Guests running at once: each has two vCPUs under emulation, and waits for things half of its time.
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

static PLACES: Places = Places {
    free: Mutex::new(0),
    freed: Condvar::new(),
};
static SET_UP: std::sync::Once = std::sync::Once::new();

fn places() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) / 2 + 1
}

struct Place;

impl Place {
    fn take() -> Place {
        SET_UP.call_once(|| {
            *PLACES.free.lock().unwrap() = places();
        });
        let free = PLACES
            .free
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut free = PLACES
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *free -= 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *PLACES
            .free
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        PLACES.freed.notify_one();
    }
}

/// Boots a fixture and gives exit code and report.
fn boot(name: &str) -> (i32, Value) {
    let fixture = common::fixture(name);
    let image = common::image(name);
    let _place = Place::take();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"));
    command
        .args(["boot", "--format", "json"])
        .args(&fixture.launch.args)
        .arg(&image);
    if !fixture.launch.qemu.is_empty() {
        command.arg("--").args(&fixture.launch.qemu);
    }
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{name}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap_or(-1), report)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// The verdict must be what the fixture's declaration says.
fn verdict_is_as_declared(name: &str) {
    let wanted = common::fixture(name)
        .expect
        .boot
        .clone()
        .unwrap_or_else(|| panic!("{name} declares no boot"));
    let (code, report) = boot(name);
    let verdict = &report["verdict"];
    println!(
        "{name}: {} / {} / {} ({})",
        text(verdict, "stage"),
        text(verdict, "critical_point"),
        text(verdict, "cause_id"),
        text(verdict, "confidence")
    );
    let all = serde_json::to_string_pretty(verdict).unwrap();
    assert_eq!(
        verdict["reached"].as_bool(),
        Some(wanted.reached),
        "{name}: {all}"
    );
    if wanted.reached {
        assert_eq!(code, 0, "{name}: {all}");
        let asked = report["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .any(|o| o["source"] == "guest" && text(o, "text").contains("→ 0"));
        assert!(asked, "{name}: reached without an answer");
        return;
    }
    assert_eq!(code, 1, "{name}: {all}");
    assert_eq!(text(verdict, "stage"), wanted.stage, "{name}: {all}");
    assert_eq!(
        verdict["critical_point"].as_str(),
        wanted.critical_point.as_deref(),
        "{name}: {all}"
    );
    if let Some(cause) = &wanted.cause {
        let said = text(verdict, "cause");
        assert!(
            text(verdict, "cause_id") == cause || said.contains(cause.as_str()),
            "{name}: {all}"
        );
    }
}

macro_rules! boots {
    ($($(#[$attribute:meta])* $test:ident $name:literal;)+) => {
        /// What has a test of its own.
        const NAMED: &[&str] = &[$($name),+];

        $(
            #[test]
            $(#[$attribute])*
            fn $test() {
                verdict_is_as_declared($name);
            }
        )+
    };
}

boots! {
    healthy_bookworm "healthy";
    healthy_trixie "healthy-trixie";
    #[ignore = "its boot is recorded or like another: make test-full"]
    race "race";
    firmware_without_loader "f1-loader-missing";
    #[ignore = "its boot is recorded or like another: make test-full"]
    efi_shell "f2-loader-empty";
    loader_entry_to_a_missing_kernel "l2-kernel-missing";
    #[ignore = "its boot is recorded or like another: make test-full"]
    missing_initrd "l3-initrd-missing";
    #[ignore = "its boot is recorded or like another: make test-full"]
    wrong_partuuid "r1-root-partuuid";
    #[ignore = "its boot is recorded or like another: make test-full"]
    no_virtio_blk_in_the_initrd "r3-initrd-without-virtio-blk";
    #[ignore = "its boot is recorded or like another: make test-full"]
    panic_without_initrd "k3-initrd-not-named";
    #[ignore = "its boot is recorded or like another: make test-full"]
    emergency_mode "i3-emergency-locked";
    module_removed "d1-module-removed";
    #[ignore = "its boot is recorded or like another: make test-full"]
    module_blacklisted "d2-blacklisted";
    #[ignore = "its boot is recorded or like another: make test-full"]
    unit_not_enabled "u7-not-enabled";
    #[ignore = "its boot is recorded or like another: make test-full"]
    package_absent "u5-package-missing";
    #[ignore = "its boot is recorded or like another: make test-full"]
    script_not_executable "s2-script-not-executable";
    #[ignore = "its boot is recorded or like another: make test-full"]
    wrong_device_in_the_redirect "s6-redirects-elsewhere";
    #[ignore = "its boot is recorded or like another: make test-full"]
    getty_unmasked "g1-getty-unmasked";
}

/// Every other fixture that boots in the usual way.
#[test]
#[ignore = "an hour of boots: make test-full"]
fn all_the_others() {
    let usual = |f: &&common::Fixture| {
        f.launch.run_script.is_none()
            && f.launch.wrapper.is_none()
            && f.launch.beside.is_empty()
            && f.expect
                .boot
                .as_ref()
                .is_some_and(|b| b.exit.is_none() && !b.racy)
    };
    let names: Vec<&str> = common::fixtures()
        .iter()
        .filter(usual)
        .map(|f| f.name.as_str())
        .filter(|name| !NAMED.contains(name))
        .collect();
    // Each waits for a place; images are built meanwhile, so no more threads than can be of use.
    let next = AtomicUsize::new(0);
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let work = || {
            let names =
                std::iter::from_fn(|| names.get(next.fetch_add(1, Ordering::Relaxed)).copied());
            names
                .filter(|name| std::panic::catch_unwind(|| verdict_is_as_declared(name)).is_err())
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..=places()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    println!(
        "{} of {} boots are judged as declared",
        names.len() - failed.len(),
        names.len()
    );
    assert!(failed.is_empty(), "wrong: {failed:?}");
}

/// A fully silent guest: nothing on any port, and yet every stage up to the script is seen.
#[test]
fn a_silent_guest_is_seen_up_to_its_script() {
    let (_, report) = boot("pulled");
    for stage in [
        "firmware",
        "bootloader",
        "kernel",
        "initrd",
        "rootfs",
        "systemd",
        "device",
        "unit",
        "script",
    ] {
        assert_eq!(
            report["stages"][stage]["reached"].as_bool(),
            Some(true),
            "{stage}: {}",
            report["stages"]
        );
    }
    for (stage, state) in report["stages"].as_object().unwrap() {
        let evidence = state["evidence"].as_str().unwrap_or_default();
        assert!(!evidence.starts_with("console:"), "{stage}: {evidence}");
    }
    // The firmware has its lines, and the backdoor's script says one on ttyS0, which the test driver leads to null.
    let said: Vec<&str> = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|o| o["source"] == "serial")
        .filter_map(|o| o["text"].as_str())
        .filter(|line| !line.contains("BdsDxe") && !line.contains("backdoor: "))
        .filter(|line| {
            line.split_once(": ")
                .is_none_or(|(_, text)| !text.trim().is_empty())
        })
        .collect();
    assert!(said.is_empty(), "the guest is not silent: {said:?}");
}
