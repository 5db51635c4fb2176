//! The configuration, through the binary, on real images.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::team::Team;
use serde_json::Value;
use std::fs;
use std::path::Path;

const RACE: &str = "backdoor-device-not-pulled-in";

#[test]
fn the_published_schema_is_the_codes_and_takes_what_the_program_takes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/config.schema.json");
    let (code, schema, _) = Team::new("").run(&["config", "schema"]);
    assert_eq!(code, 0);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published, schema,
        "stale: UPDATE=1 cargo test --test config"
    );
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (text, right) in [
        (
            "profile: login\nimages: [a.wic]\nfail-on: never\nrule-dirs: []\n",
            true,
        ),
        (
            "severities: {loader-unsigned: off}\nboot: {memory: 512, accel: tcg, timeout: 1.5}\n",
            true,
        ),
        (
            "suppressions: [{rule: loader-unsigned, reason: x, expires: 2999-01-01, image: '*', location: '*'}]\n",
            true,
        ),
        ("profil: login\n", false),
        ("severities: {loader-unsigned: eror}\n", false),
        ("suppressions: [{rule: loader-unsigned}]\n", false),
        ("boot: {smp: 0}\n", false),
        ("boot: {accel: hvf}\n", false),
        ("fail-on: [error]\n", false),
    ] {
        let value: Value = serde_yaml_value(text);
        assert_eq!(validator.is_valid(&value), right, "the schema on {text}");
        let (code, out, _) = Team::new(text).run(&["config", "check"]);
        assert_eq!(code == 0, right, "the program on {text}: {out}");
    }
}

fn serde_yaml_value(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn mistakes_are_told_by_line_and_column_and_stop_every_command() {
    let team = Team::new("profile: nixos-test\nsuppressions:\n  - rule: rot-not-found\n");
    let (code, out, _) = team.run(&["config", "check"]);
    assert_eq!(code, 2);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(
        lines[0].ends_with(".isar-doctor.yaml:3:5: a suppression needs `reason:`, so that others know why the finding is accepted"),
        "{out}"
    );
    assert!(
        lines[1]
            .ends_with(":3:11: there is no rule `rot-not-found`; did you mean `root-not-found`?"),
        "{out}"
    );
    let (code, _, err) = team.run(&["inspect", "any.wic"]);
    assert_eq!(code, 2);
    assert!(err.contains(":3:11: "), "{err}");
    let (code, _, err) = team.run(&["boot", "any.wic"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(":3:11: "), "{err}");
}

#[test]
fn images_and_threshold_come_from_the_nearest_file_and_options_win() {
    let team = Team::new("images: ['deploy/*.wic']\nfail-on: never\n");
    team.link("race", "deploy/b.wic");
    team.link("healthy", "deploy/a.wic");
    fs::create_dir(team.path().join("sub")).unwrap();
    let (code, out, err) = team.run_in("sub", &["inspect"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(RACE), "{out}");
    let (a, b) = (
        out.rfind("deploy/a.wic").unwrap(),
        out.rfind("deploy/b.wic").unwrap(),
    );
    assert!(a < b, "{out}");
    assert_eq!(team.run(&["inspect", "--fail-on", "error"]).0, 1);
    assert_eq!(team.run(&["inspect", "--no-config", "deploy"]).0, 1);
    let (code, _, err) = team.run(&["inspect", "--no-config"]);
    assert_eq!(code, 2);
    assert!(err.contains("no image given"), "{err}");
}

#[test]
fn severities_are_set_and_rules_switched_off() {
    let team = Team::new(&format!("severities: {{{RACE}: warning}}\n"));
    team.link("race", "a.wic");
    let (code, report) = team.json(&["a.wic"]);
    assert_eq!(code, 0);
    assert_eq!(report["findings"][0]["rule"], RACE);
    assert_eq!(report["findings"][0]["severity"], "warning");
    assert_eq!(team.run(&["inspect", "--fail-on=warning", "a.wic"]).0, 1);

    let team = Team::new(&format!("severities: {{{RACE}: off}}\n"));
    team.link("race", "a.wic");
    assert_eq!(team.json(&["a.wic"]).1["findings"], serde_json::json!([]));
    // Who names it wants it.
    assert_eq!(team.run(&["inspect", "--select", RACE, "a.wic"]).0, 1);
}

#[test]
fn a_suppressed_finding_is_told_with_its_reason_and_does_not_count() {
    let team = Team::new(&format!(
        "suppressions:\n  - rule: {RACE}\n    location: '*backdoor.service'\n    reason: fixed in release 7\n"
    ));
    team.link("race", "a.wic");
    let (code, report) = team.json(&["a.wic"]);
    assert_eq!(code, 0);
    assert_eq!(report["findings"], serde_json::json!([]));
    assert_eq!(report["suppressed"][0]["reason"], "fixed in release 7");
    assert_eq!(report["suppressed"][0]["finding"]["rule"], RACE);
    assert_eq!(report["summary"]["suppressed"], 1);
    assert_eq!(report["summary"]["errors"], 0);
    assert_eq!(report["unused_suppressions"], serde_json::json!([]));

    let (_, human, _) = team.run(&["inspect", "a.wic"]);
    assert!(
        human.ends_with("ok: no findings in a.wic (1 suppressed)\n"),
        "{human}"
    );
    let (_, sarif, _) = team.run(&["inspect", "-f", "sarif", "a.wic"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(
        results[0]["suppressions"][0]["justification"],
        "fixed in release 7"
    );
    let (_, junit, _) = team.run(&["inspect", "-f", "junit", "a.wic"]);
    assert!(junit.contains("failures=\"0\""), "{junit}");
    // The options win.
    assert_eq!(team.run(&["inspect", "--no-config", "a.wic"]).0, 1);
}

#[test]
fn expired_and_unused_suppressions_are_reported() {
    let team = Team::new(&format!(
        "suppressions:\n  - {{rule: {RACE}, reason: until spring, expires: 2020-03-01}}\n  \
         - {{rule: root-not-found, reason: old loader}}\n  - {{rule: loader-unsigned, reason: elsewhere, image: 'other-*.wic'}}\n"
    ));
    team.link("race", "a.wic");
    let (code, report) = team.json(&["a.wic"]);
    assert_eq!(code, 1);
    assert_eq!(report["findings"][0]["rule"], RACE);
    assert_eq!(report["expired_suppressions"][0]["rule"], RACE);
    assert_eq!(report["expired_suppressions"][0]["expires"], "2020-03-01");
    let unused = report["unused_suppressions"].as_array().unwrap();
    assert_eq!(unused.len(), 1, "{unused:?}");
    assert_eq!(unused[0]["rule"], "root-not-found");

    let (_, human, _) = team.run(&["inspect", "-q", "a.wic"]);
    assert!(
        human.contains(&format!(
            "note: the suppression of `{RACE}` (until spring) expired on 2020-03-01"
        )),
        "{human}"
    );
    assert!(
        human.contains("note: the suppression of `root-not-found` (old loader) silenced nothing"),
        "{human}"
    );
    assert!(!human.contains("elsewhere"), "{human}");
}

#[test]
fn a_suppression_for_one_image_leaves_the_other_alone() {
    let team = Team::new(&format!(
        "suppressions:\n  - {{rule: {RACE}, reason: legacy, image: 'old/*.wic'}}\n"
    ));
    team.link("race", "old/a.wic");
    team.link("race", "new/a.wic");
    let (code, reports) = team.json(&["old/a.wic", "new/a.wic"]);
    assert_eq!(code, 1);
    assert_eq!(reports[0]["summary"]["suppressed"], 1);
    assert_eq!(reports[1]["summary"]["suppressed"], 0);
    assert_eq!(reports[1]["findings"][0]["rule"], RACE);
}

/// What the test driver prints of a machine whose shell answers.
const CAME_UP: &str = "server: QEMU running (pid 9)\n\
    server # [    0.000000] Linux version 6.1.0\n\
    server: Guest shell says: b'Spawning backdoor root shell...\\n'\n\
    server: connected to guest root shell\n\
    server: (finished: waiting for unit multi-user.target, in 1.02 seconds)\n";

#[test]
fn a_verdict_knows_what_the_team_accepts() {
    let judged = |fixture: &str, config: &str| {
        let team = Team::new(config);
        team.link(fixture, "a.wic");
        fs::write(team.path().join("job.log"), CAME_UP).unwrap();
        let (code, out, err) = team.run(&["log", "job.log", "--image=a.wic", "--format=json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
        assert_eq!(report["verdict"]["reached"], true, "{out}");
        let (_, text, _) = team.run(&["log", "job.log", "--image=a.wic"]);
        (code, report["findings"].clone(), text)
    };
    let log = |config: &str| judged("race", config);
    let (code, findings, text) = log("");
    assert!(text.starts_with("REACHED, AND NOT HEALTHY"), "{text}");
    assert_eq!((code, findings[0]["severity"].as_str()), (1, Some("error")));
    assert_eq!(findings[0].get("suppressed"), None);

    let (code, findings, text) = log(&format!(
        "suppressions: [{{rule: {RACE}, reason: Frozen release, image: 'a.*'}}]\n"
    ));
    assert_eq!(code, 0);
    assert_eq!(findings[0]["suppressed"], "Frozen release");
    assert!(text.contains(&format!("accepted[{RACE}]")), "{text}");
    assert!(text.contains("accepted: Frozen release"), "{text}");
    assert!(text.starts_with("REACHED: "), "{text}");

    let (code, findings, text) = log(&format!("severities: {{{RACE}: off}}\n"));
    assert_eq!((code, findings), (0, serde_json::json!([])));
    assert!(!text.contains("What inspect says"), "{text}");

    let warning = format!("severities: {{{RACE}: warning}}\n");
    let (code, findings, _) = log(&warning);
    let severity = findings[0]["severity"].as_str();
    assert_eq!((code, severity), (0, Some("warning")));
    assert_eq!(log(&format!("{warning}fail-on: warning\n")).0, 1);
    // That the race was won this time is the verdict's; what inspect foresaw besides are findings.
    assert_eq!(log("fail-on: never\n").0, 1);
    assert_eq!(judged("g1-getty-unmasked", "").0, 1);
    assert_eq!(judged("g1-getty-unmasked", "fail-on: never\n").0, 0);
    let expired = format!("suppressions: [{{rule: {RACE}, reason: x, expires: 2001-01-01}}]\n");
    assert_eq!(log(&expired).0, 1);
}

#[test]
fn a_production_image_is_closed() {
    let team = Team::new("profile: production\n");
    team.link("not-to-be-shipped", "open.wic");
    team.link("u5-package-missing", "closed.wic");
    let (code, report) = team.json(&["open.wic"]);
    assert_eq!(code, 1);
    let mut found: Vec<_> = report["findings"].as_array().unwrap().iter().collect();
    found.sort_by_key(|f| f["rule"].to_string());
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|f| {
            let path = f["location"]["path"].as_str().unwrap();
            (f["rule"].as_str().unwrap(), path)
        })
        .collect();
    let unit = |name: &str| format!("/usr/lib/systemd/system/{name}.service");
    let (backdoor, debug) = (unit("nixos-test-backdoor"), unit("debug-shell"));
    let login = "/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf";
    assert_eq!(
        found,
        [
            ("production-autologin", login),
            ("production-backdoor-present", backdoor.as_str()),
            ("production-debug-shell", debug.as_str()),
            ("production-debug-words", "/loader/entries/boot.conf"),
            ("production-root-password", "/etc/passwd"),
        ]
    );
    let (_, text, _) = team.run(&["inspect", "--quiet", "open.wic"]);
    assert!(
        text.contains("5 errors in open.wic; it is not fit to be shipped"),
        "{text}"
    );
    let (code, report) = team.json(&["closed.wic"]);
    assert_eq!((code, &report["findings"]), (0, &serde_json::json!([])));
    // A test's image is judged by what a test needs.
    let (code, report) = team.json(&["--profile", "nixos-test", "open.wic"]);
    assert_eq!((code, &report["findings"]), (0, &serde_json::json!([])));
}
