//! `isar-doctor diff` on real images: the first user's own question, and images that do not differ. `UPDATE=1 cargo test --test diff`
//! writes its JSON Schema anew.

mod common;

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;

/// The report, held against the published schema.
fn report(good: &Path, bad: &Path, options: &[&str]) -> (i32, Value) {
    let (code, text, errors) = diff(good, bad, &[&["--format", "json"], options].concat());
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {errors}"));
    let schema: Value = serde_json::from_str(&published()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<_> = validator
        .iter_errors(&report)
        .map(|e| format!("{}: {:.300}", e.instance_path(), e.to_string()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    (code, report)
}

fn published() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/diff.schema.json");
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_published_schema_is_the_codes() {
    let schema = isar_doctor::report::diff_json::schema().expect("a schema");
    if std::env::var_os("UPDATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/diff.schema.json");
        std::fs::write(path, &schema).expect("a file");
    }
    assert_eq!(
        published(),
        schema,
        "stale: UPDATE=1 cargo test --test diff"
    );
}

fn diff(good: &Path, bad: &Path, options: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_isar-doctor"))
        .args(["diff", "--no-config"])
        .args(options)
        .arg(good)
        .arg(bad)
        .env("COLUMNS", "100")
        .output()
        .expect("isar-doctor can be started");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().expect("an exit code"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_grub_image_that_worked_against_the_one_that_does_not() {
    let (good, bad) = (common::image("grub-won-race"), common::image("race"));
    let (code, text, _) = diff(&good, &bad, &[]);
    assert_eq!(code, 1, "{text}");
    // A terminal's first screen.
    let screen: Vec<&str> = text.lines().take(24).collect();
    let screen = screen.join("\n");
    for wanted in [
        "loader: GRUB",
        "→ systemd-boot",
        "command line: rootwait console=tty0 → net.ifnames=0 biosdevname=0 quiet loglevel=1",
        "[backdoor-device-not-pulled-in]",
        "skipped for good when it loses the race",
        "decided by the initrd",
        "module virtio_console",
    ] {
        assert!(screen.contains(wanted), "{wanted}\n{screen}");
    }
    assert!(text.contains("Requires=dev-hvc0.device"), "the fix\n{text}");

    let (code, report) = report(&good, &bad, &[]);
    assert_eq!(code, 1);
    assert_eq!(report["schema"], "isar-doctor/diff/1");
    assert_eq!(report["cause"]["explanation"], "decided");
    assert_eq!(report["cause"]["parts"], serde_json::json!(["the initrd"]));
    assert_eq!(report["cause"]["confidence"], "likely");
    let first = report["cause"]["changes"][0].as_u64().expect("an index") as usize;
    assert_eq!(report["changes"][first]["name"], "virtio_console");

    let (code, text, _) = diff(&good, &bad, &["--format", "markdown"]);
    assert_eq!(code, 1);
    assert!(text.contains("| bootloader | loader |"), "{text}");
}

#[test]
fn an_image_against_itself_gives_nothing() {
    for name in ["race", "grub-won-race"] {
        let image = common::image(name);
        let (code, text, errors) = diff(&image, &image, &["--bad-fails", "--all"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{text}");
        assert!(text.contains("no difference that matters"), "{text}");
        assert!(!text.contains("cause"), "{text}");
        let (_, report) = report(&image, &image, &[]);
        assert_eq!(report["changes"], serde_json::json!([]));
        assert_eq!(report["differs"], false);
    }
}

#[test]
#[ignore = "another base to build: make test-full"]
fn a_race_that_both_images_have_is_no_change() {
    let (good, bad) = (common::image("race-full"), common::image("race"));
    let (code, report) = report(&good, &bad, &[]);
    assert_eq!(code, 1);
    assert_eq!(report["cause"]["explanation"], "race");
    let changes = report["cause"]["changes"].as_array().expect("a list");
    let subjects: Vec<&str> = changes
        .iter()
        .filter_map(|i| report["changes"][i.as_u64()? as usize]["subject"].as_str())
        .collect();
    assert!(subjects.contains(&"kernel"), "{subjects:?}");
}

#[test]
fn the_repair_decides_over_the_unit() {
    let (good, bad) = (common::image("healthy-requires"), common::image("race"));
    let (_, report) = report(&good, &bad, &["--all"]);
    assert_eq!(
        report["cause"]["parts"],
        serde_json::json!(["systemd's units and settings"])
    );
}

#[test]
fn an_image_that_cannot_be_read_is_no_difference() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let empty = dir.path().join("empty.wic");
    std::fs::write(&empty, b"").expect("a file");
    let (code, text, errors) = diff(&common::image("race"), &empty, &[]);
    assert_eq!((code, text.as_str()), (3, ""));
    assert!(errors.contains("empty.wic"), "{errors}");
}
