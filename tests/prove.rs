//! `boot --prove` on real images: the cause is tested, and the right lever proves it. `boot --repeat`: a race is never called healthy.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use serde_json::Value;
use std::process::Command;

fn doctor(arguments: &[&str], fixture: &str) -> Value {
    let image = common::image(fixture);
    let _slot = common::boot_slot();
    let output = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(["boot", "--format", "json", "--quiet"])
        .args(arguments)
        .arg(image)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!(
            "{fixture}: {e}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// What became of a lever; none when it was not tried.
fn result(verdict: &Value, lever: &str) -> Option<String> {
    let experiments = verdict["experiments"].as_array()?;
    let found = experiments
        .iter()
        .find(|e| e["lever"].as_str().is_some_and(|l| l.starts_with(lever)))?;
    Some(found["result"].as_str()?.to_owned())
}

/// Boots a fixture with `--prove`; its cause must be the declared one, and the lever must have proven it.
fn proven(fixture: &str, lever: &str) -> Value {
    let wanted = common::fixture(fixture).expect.boot.clone().unwrap();
    let report = doctor(&["--prove"], fixture);
    let verdict = &report["verdict"];
    let all = serde_json::to_string_pretty(verdict).unwrap();
    println!("{fixture}: {} by {lever}", verdict["confidence"]);
    assert_eq!(
        verdict["stage"].as_str(),
        Some(wanted.stage.as_str()),
        "{fixture}: {all}"
    );
    assert_eq!(
        verdict["critical_point"].as_str(),
        wanted.critical_point.as_deref(),
        "{fixture}: {all}"
    );
    assert_eq!(
        result(verdict, lever).as_deref(),
        Some("proved"),
        "{fixture}: {all}"
    );
    assert_eq!(verdict["confidence"], "proven", "{fixture}: {all}");
    report
}

/// The centre piece: the skip line before the driver is bound, the cause proven, and the lever that does not help told apart.
#[test]
fn the_race_is_proven() {
    let report = proven("race", "systemd.wants=dev-hvc0.device");
    let verdict = &report["verdict"];
    assert_eq!(verdict["cause_id"], "backdoor-device-not-pulled-in");
    let helping = result(verdict, "modules_load=virtio_console");
    assert!(
        matches!(helping.as_deref(), Some("disproved" | "won-the-race")),
        "{helping:?}"
    );
    let timeline = report["timeline"].as_array().unwrap();
    let at = |test: &dyn Fn(&str, &str) -> bool| {
        timeline.iter().position(|o| {
            let text = |key: &str| o[key].as_str().unwrap_or_default();
            test(text("source"), text("text"))
        })
    };
    let skipped =
        at(&|_, text| text.contains("nixos-test-backdoor.service") && text.contains("was skipped"));
    let bound = at(&|source, text| {
        source == "virtio" && text.starts_with("virtio-serial") && text.contains("DRIVER_OK")
    });
    assert!(skipped.unwrap() < bound.unwrap(), "{skipped:?} {bound:?}");
    assert!(verdict["margin_ms"].as_f64().unwrap() < 0.0);
}

macro_rules! proven {
    ($($test:ident: $fixture:literal by $lever:literal;)*) => {$(
        #[test]
        #[ignore = "boots; make test-full"]
        fn $test() {
            proven($fixture, $lever);
        }
    )*};
}

proven! {
    not_enabled: "u7-not-enabled" by "systemd.wants=nixos-test-backdoor.service";
    module_blacklist: "d4-module-blacklist" by "without module_blacklist=";
    modprobe_blacklist: "d4-modprobe-blacklist" by "without modprobe.blacklist=";
    masked_on_the_command_line: "u9-masked-cmdline" by "without systemd.mask=";
    firstboot: "i6-firstboot-prompts" by "systemd.firstboot=no";
    root_partuuid: "r1-root-partuuid" by "root=PARTUUID=";
    root_sda: "r2-root-sda" by "root=PARTUUID=";
    menu: "l5-menu-force" by "kernel and initrd started without the loader";
    loader_missing: "f1-loader-missing" by "kernel and initrd started without the loader";
    condition_cmdline: "u3-condition-cmdline" by "nixos-test";
    assertion: "u3-assert" by "drop-in without the conditions";
    init_is_a_shell: "i1-init-is-a-shell" by "without init=";
    initrd_break: "r4-break" by "without break=";
    rootfstype: "r4-rootfstype" by "without rootfstype=";
    disk_driver_blacklisted: "r3-virtio-blk-blacklisted" by "without module_blacklist=";
    dangling_link: "u8-link-other-name" by "systemd.wants=nixos-test-backdoor.service";
}

/// The full kernel wins the race in some boots and loses it in others.
#[test]
#[ignore = "ten boots; make test-full"]
fn an_open_race_is_never_called_healthy() {
    let report = doctor(&["--repeat", "10"], "race-full");
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 10);
    for run in runs {
        println!("{} {} {}", run["outcome"], run["stage"], run["margin_ms"]);
        assert!(
            matches!(run["outcome"].as_str(), Some("racy" | "failed")),
            "{run}"
        );
    }
    assert_eq!(report["healthy"], false);
}
