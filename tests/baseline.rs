//! Baselines, through the binary, on real images.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::team::Team;
use serde_json::Value;
use std::fs;

const RACE: &str = "backdoor-device-not-pulled-in";

#[test]
fn what_is_known_does_not_count_and_what_is_new_does() {
    let team = Team::new("");
    team.link("race", "a.wic");
    let (code, _, err) = team.run(&["inspect", "--baseline", "known.json", "a.wic"]);
    assert_eq!(code, 2);
    assert!(err.contains("--write-baseline known.json"), "{err}");

    assert_eq!(team.run(&["inspect", "a.wic"]).0, 1);
    assert_eq!(
        team.run(&["inspect", "--write-baseline", "known.json", "a.wic"])
            .0,
        0
    );
    let written = fs::read_to_string(team.path().join("known.json")).unwrap();
    insta::assert_snapshot!(written, @r#"
    {
      "schema": "isar-doctor/baseline/1",
      "images": {
        "a.wic": [
          {
            "rule": "backdoor-device-not-pulled-in",
            "location": "p2:/usr/lib/systemd/system/nixos-test-backdoor.service",
            "fingerprint": "557332d4f729ce7bb490a2222b3eaa68",
            "severity": "error",
            "message": "nixos-test-backdoor.service checks ConditionPathExists=/dev/hvc0 once, and nothing makes it wait for the device: it is skipped for good when it loses the race"
          }
        ]
      }
    }
    "#);
    team.run(&["inspect", "--write-baseline", "again.json", "a.wic"]);
    let again = fs::read_to_string(team.path().join("again.json")).unwrap();
    assert_eq!(written, again);

    let (code, report) = team.json(&["--baseline", "known.json", "a.wic"]);
    assert_eq!(code, 0);
    assert_eq!(report["findings"][0]["baseline"], "known");
    assert_eq!(report["summary"]["known"], 1);
    let (_, human, _) = team.run(&["inspect", "-q", "--baseline", "known.json", "a.wic"]);
    assert!(
        human.starts_with(&format!("known: error[{RACE}] p2:/")),
        "{human}"
    );
    let (_, junit, _) = team.run(&[
        "inspect",
        "-f",
        "junit",
        "--baseline",
        "known.json",
        "a.wic",
    ]);
    assert!(junit.contains("failures=\"0\""), "{junit}");

    // Another build of the image: the old finding is gone, and there is a new one.
    team.link("u7-not-enabled", "a.wic");
    let (code, report) = team.json(&["--baseline", "known.json", "a.wic"]);
    assert_eq!(code, 1);
    assert_eq!(report["fixed"][0]["rule"], RACE);
    assert_eq!(report["summary"]["fixed"], 1);
    assert_eq!(report["findings"][0]["rule"], "backdoor-not-enabled");
    assert_eq!(report["findings"][0]["baseline"], "new");
    let (_, human, _) = team.run(&["inspect", "-q", "--baseline", "known.json", "a.wic"]);
    assert!(human.contains(&format!("fixed: error[{RACE}]")), "{human}");
    let (_, sarif, _) = team.run(&[
        "inspect",
        "-f",
        "sarif",
        "--baseline",
        "known.json",
        "a.wic",
    ]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let states: Vec<_> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["baselineState"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["new", "absent"]);
}

#[test]
#[ignore = "another base to build: make test-full"]
fn a_rebuild_with_another_kernel_and_name_keeps_its_findings_known() {
    let team = Team::new("");
    team.link("race", "deploy/image-1.wic");
    team.run(&["inspect", "--write-baseline", "known.json", "deploy"]);
    fs::remove_file(team.path().join("deploy/image-1.wic")).unwrap();
    team.link("race-full", "deploy/image-2.wic");
    let (code, report) = team.json(&["--baseline", "known.json", "deploy"]);
    assert_eq!(code, 0, "{}", report["findings"]);
    assert_eq!(report["findings"][0]["baseline"], "known");
    assert_eq!(report["fixed"], serde_json::json!([]));
}

#[test]
fn each_image_has_its_own_entries_and_unjudged_ones_lose_none() {
    let team = Team::new("");
    team.link("race", "a.wic");
    team.link("healthy", "b.wic");
    team.run(&[
        "inspect",
        "--write-baseline",
        "known.json",
        "a.wic",
        "b.wic",
    ]);
    team.link("race", "b.wic");
    let (code, reports) = team.json(&["--baseline", "known.json", "a.wic", "b.wic"]);
    assert_eq!(code, 1);
    assert_eq!(reports[0]["findings"][0]["baseline"], "known");
    assert_eq!(reports[1]["findings"][0]["baseline"], "new");

    let both = ["inspect", "--baseline", "known.json", "a.wic", "b.wic"];
    let (_, human, _) = team.run(&both);
    let table = human.rsplit("first failure").next().unwrap();
    let row = |name| table.lines().find(|l| l.contains(name)).unwrap();
    assert!(row("a.wic").contains("1 (1 known)"), "{human}");
    assert!(!row("a.wic").contains(RACE), "{human}");
    assert!(row("b.wic").contains(RACE), "{human}");

    fs::write(team.path().join("junk.wic"), "junk").unwrap();
    let before = fs::read_to_string(team.path().join("known.json")).unwrap();
    let (code, _, err) = team.run(&["inspect", "--write-baseline", "known.json", "junk.wic"]);
    assert_eq!(code, 3, "{err}");
    let after = fs::read_to_string(team.path().join("known.json")).unwrap();
    assert_eq!(before, after);
    // A rule that is left out is not fixed.
    let (_, report) = team.json(&["--baseline", "known.json", "--ignore", RACE, "a.wic"]);
    assert_eq!(report["fixed"], serde_json::json!([]));
}

#[test]
fn the_worst_image_decides_and_the_table_keeps_the_order() {
    let team = Team::new("");
    for (fixture, name) in [
        ("race", "d/c.wic"),
        ("healthy", "d/a.wic"),
        ("race", "b.wic"),
    ] {
        team.link(fixture, name);
    }
    let rows = |out: &str| -> Vec<String> {
        let table = out.rsplit("first failure").next().unwrap_or_default();
        let names = table.lines().filter_map(|l| l.split_whitespace().next());
        names
            .filter(|n| n.ends_with(".wic"))
            .map(str::to_owned)
            .collect()
    };
    for _ in 0..3 {
        let (code, out, _) = team.run(&["inspect", "b.wic", "d", "d/*.wic"]);
        assert_eq!(code, 1);
        assert_eq!(rows(&out), ["b.wic", "d/a.wic", "d/c.wic"], "{out}");
    }
    fs::write(team.path().join("junk.wic"), "junk").unwrap();
    let (code, out, _) = team.run(&["inspect", "d/a.wic", "junk.wic", "b.wic"]);
    assert_eq!(code, 3);
    assert_eq!(rows(&out), ["d/a.wic", "junk.wic", "b.wic"], "{out}");
    assert_eq!(team.run(&["inspect", "d/a.wic", "d/a.wic"]).0, 0);
}
