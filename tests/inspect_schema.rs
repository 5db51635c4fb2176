//! The published JSON Schema of `inspect` is the code's, and real reports keep to it. `UPDATE=1 cargo test --test inspect_schema`
//! writes it anew.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::team::Team;
use serde_json::Value;
use std::path::Path;

#[test]
fn reports_with_suppressed_known_and_fixed_findings_keep_to_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/inspect.schema.json");
    let schema = isar_doctor::report::json::schema().unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published, schema,
        "stale: UPDATE=1 cargo test --test inspect_schema"
    );
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |what: &str, report: &Value| {
        let errors: Vec<_> = validator
            .iter_errors(report)
            .map(|e| format!("{}: {:.300}", e.instance_path(), e.to_string()))
            .collect();
        assert!(errors.is_empty(), "{what}: {}", errors.join("\n"));
    };

    let team = Team::new(
        "suppressions:\n  - {rule: backdoor-not-enabled, reason: x, expires: 2999-01-01}\n  \
         - {rule: root-not-found, reason: x}\n  - {rule: esp-type-wrong, reason: x, expires: 2001-01-01}\n",
    );
    team.link("race", "a.wic");
    team.run(&["inspect", "--write-baseline", "known.json", "a.wic"]);
    let (_, known) = team.json(&["--baseline", "known.json", "a.wic"]);
    check("known", &known);
    team.link("u7-not-enabled", "a.wic");
    let (_, report) = team.json(&["--baseline", "known.json", "a.wic"]);
    check("fixed and suppressed", &report);
    for list in [
        "suppressed",
        "unused_suppressions",
        "expired_suppressions",
        "fixed",
    ] {
        assert_eq!(report[list].as_array().map(Vec::len), Some(1), "{list}");
    }
    for fixture in [
        "healthy-grub",
        "healthy-uki",
        "healthy-trixie",
        "f3-no-partition-table",
        "r4-superblock",
        "d1-module-removed",
    ] {
        team.link(fixture, "b.wic");
        check(fixture, &team.json(&["--pedantic", "b.wic"]).1);
    }
    std::fs::write(team.path().join("junk.wic"), "junk").unwrap();
    check("junk", &team.json(&["junk.wic"]).1);
}
