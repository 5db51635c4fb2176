//! A team's own rules, through the binary, on real images. The rule of docs/own-rules.md is the example.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::team::Team;
use std::fs;
use std::path::Path;

/// The rule file that the documentation shows.
fn documented() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-rules.md");
    let docs = fs::read_to_string(docs).unwrap();
    let rule = docs.split("```yaml\n").nth(1).unwrap();
    rule.split("```").next().unwrap().to_owned()
}

/// Checkout with the documented rule and an image.
fn team() -> Team {
    let team = Team::new("rule-dirs: [ci/rules]\nfail-on: warning\n");
    fs::create_dir_all(team.path().join("ci/rules")).unwrap();
    write(&team, "team-quiet-boot", &documented());
    team.link("healthy", "a.wic");
    team
}

fn write(team: &Team, id: &str, text: &str) {
    fs::write(team.path().join(format!("ci/rules/{id}.yaml")), text).unwrap();
}

/// Rules that are reported.
fn rules(report: &serde_json::Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter_map(|f| f["rule"].as_str()).collect()
}

#[test]
fn the_documented_rule_finds_its_defect_in_a_real_image() {
    let team = team();
    let (code, report) = team.json(&["a.wic"]);
    assert_eq!(code, 1);
    assert_eq!(rules(&report), ["team-quiet-boot"]);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "warning");
    assert_eq!(
        finding["message"],
        "`quiet` is on the kernel command line: the lab needs the kernel's messages"
    );
    assert_eq!(finding["location"]["partition"], "p1");
    let (_, sarif, _) = team.run(&["inspect", "-f", "sarif", "a.wic"]);
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    let described = sarif["runs"][0]["tool"]["driver"]["rules"].as_array();
    let described = described.unwrap().iter();
    assert_eq!(
        described.filter(|r| r["id"] == "team-quiet-boot").count(),
        1
    );
    // Without the configuration the image is healthy; with --rules it is not.
    assert_eq!(team.run(&["inspect", "--no-config", "a.wic"]).0, 0);
    let arguments = ["inspect", "--no-config", "--rules", "ci/rules"];
    let (_, out, _) = team.run(&[&arguments[..], &["-q", "a.wic"]].concat());
    assert!(out.contains("warning[team-quiet-boot]"), "{out}");
}

#[test]
fn checks_of_any_unit_and_any_package_judge_real_images() {
    let team = team();
    let rule = |id: &str, check: &str| {
        let text = documented();
        let (words, _) = text.split_once("check:").unwrap();
        let words = words.replace("team-quiet-boot", id);
        write(&team, id, &format!("{words}check: {check}\n"));
    };
    for (id, check) in [
        (
            "has-systemd",
            "package-state\nwith: {packages: [systemd], are: installed, because: x}",
        ),
        (
            "has-no-systemd",
            "package-state\nwith: {packages: [systemd], are: absent, because: x}",
        ),
        (
            "has-none",
            "package-state\nwith: {packages: [no-such-package], are: installed, because: x}",
        ),
        (
            "udev-starts",
            "unit-state\nwith: {unit: systemd-udevd.service, is: started, because: x}",
        ),
        (
            "udev-rests",
            "unit-state\nwith: {unit: systemd-udevd.service, is: not-started, because: x}",
        ),
        (
            "udev-masked",
            "unit-state\nwith: {unit: systemd-udevd.service, is: masked, because: x}",
        ),
        (
            "has-ext4",
            "module-available\nwith: {aspect: present, module: ext4}",
        ),
        (
            "has-vfat",
            "module-available\nwith: {aspect: present, module: vfat}",
        ),
        (
            "has-no-such",
            "module-available\nwith: {aspect: present, module: no-such-module}",
        ),
        (
            "no-panic",
            "unit-directive\nwith: {in: cmdline, key: panic, any_of: ['1'], because: x}",
        ),
        (
            "long-panic",
            "unit-directive\nwith: {in: cmdline, key: panic, any_of: ['60'], because: x}",
        ),
    ] {
        rule(id, check);
    }
    let wrong = [
        "has-no-such",
        "has-no-systemd",
        "has-none",
        "long-panic",
        "team-quiet-boot",
        "udev-masked",
        "udev-rests",
    ];
    let (_, report) = team.json(&["a.wic"]);
    let mut found = rules(&report);
    found.sort_unstable();
    assert_eq!(found, wrong);
    assert_eq!(report["cannot_tell"], serde_json::json!([]));
    // The same rules see the other state in an image that has it.
    team.link("i7-udevd-masked", "a.wic");
    let (_, report) = team.json(&["a.wic"]);
    let found = rules(&report);
    assert!(found.contains(&"udev-starts"), "{found:?}");
    assert!(!found.contains(&"udev-masked"), "{found:?}");
}

#[test]
fn mistakes_in_rule_files_have_line_and_column() {
    let team = team();
    assert_eq!(
        team.run(&["rules", "--check", "ci/rules"]),
        (0, "OK: 1 rule in ci/rules\n".into(), String::new())
    );
    write(
        &team,
        "team-quiet-boot",
        &documented().replace("words:", "wrods:"),
    );
    write(
        &team,
        "second",
        &documented().replace("severity: warning", "severity: eror"),
    );
    let (code, out, err) = team.run(&["rules", "--check", "ci/rules"]);
    assert_eq!((code, err.as_str()), (2, ""));
    insta::assert_snapshot!(out, @"
    ci/rules/second.yaml:5:11: severity: unknown variant `eror`, expected one of `pedantic`, `warning`, `error`; did you mean `error`?
    ci/rules/team-quiet-boot.yaml:19:3: unknown field `wrods`, expected `words` or `because`; did you mean `words`?
    ");
    // The configuration that names the directory is wrong, too, and so is every command that needs it.
    let (code, config, _) = team.run(&["config", "check"]);
    assert_eq!(code, 2);
    assert!(config.contains("team-quiet-boot.yaml:"), "{config}");
    assert_eq!(team.run(&["inspect", "a.wic"]).0, 2);
    assert_eq!(team.run(&["rules", "--check", "ci"]).0, 2);
}

#[test]
fn explain_gives_a_suppression_that_works() {
    let team = team();
    let (code, page, _) = team.run(&["explain", "team-quiet-boot"]);
    assert_eq!(code, 0);
    for part in [
        "leaves no trace in the logs that our lab keeps",
        "options root=LABEL=root quiet",
        "Remove `quiet` from KERNEL_CMDLINE in kas/lab.yaml.",
        "isar-doctor inspect --ignore team-quiet-boot IMAGE",
    ] {
        assert!(page.contains(part), "{page}");
    }
    // The snippet, as it is, is a configuration, and silences the finding.
    let snippet = page
        .lines()
        .skip_while(|l| l.trim() != "suppressions:")
        .take_while(|l| !l.trim().is_empty())
        .map(|l| l.strip_prefix("  ").unwrap_or(l))
        .collect::<Vec<_>>()
        .join("\n");
    let config = format!("rule-dirs: [ci/rules]\nfail-on: warning\n{snippet}\n");
    fs::write(team.path().join(".isar-doctor.yaml"), config).unwrap();
    assert_eq!(team.run(&["config", "check"]).0, 0);
    let (code, report) = team.json(&["a.wic"]);
    assert_eq!(code, 0);
    assert_eq!(
        report["suppressed"][0]["finding"]["rule"],
        "team-quiet-boot"
    );
    let (code, _, err) = team.run(&["explain", "team-quiet-bot"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `team-quiet-boot`?"), "{err}");
}

#[test]
fn rules_are_told_with_the_names_of_the_profile() {
    let team = Team::new("profile: ours.yaml\n");
    let ours = include_str!("../rules/profiles/nixos-test.yaml");
    let ours = ours
        .replace("hvc0", "hvc7")
        .replace("name: nixos-test", "name: ours");
    fs::write(team.path().join("ours.yaml"), ours).unwrap();
    let id = "backdoor-device-not-pulled-in";
    let (code, text, err) = team.run(&["explain", id]);
    assert_eq!(code, 0, "{err}");
    assert!(text.contains("Add `Requires=dev-hvc7.device`"), "{text}");
    let (_, list, _) = team.run(&["rules"]);
    // An id stands whole in its line.
    assert!(
        list.lines()
            .any(|l| l.trim_start().starts_with(&format!("{id} "))),
        "{list}"
    );
    for all in [text, list] {
        for placeholder in ["{device}", "{unit}", "{module}", "{console}", "{package}"] {
            assert!(!all.contains(placeholder), "{all}");
        }
    }
}
