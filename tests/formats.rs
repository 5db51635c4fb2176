//! The formats for other programs, judged by what is not ours where such a thing is to be had.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One with an error, one with warnings, one without a partition table, one without a finding.
const IMAGES: &[&str] = &["race", "u6-files-differ", "f3-not-an-image", "healthy"];

fn images() -> Vec<PathBuf> {
    let known = |name: &&&str| common::fixtures().iter().any(|f| f.name == **name);
    IMAGES
        .iter()
        .filter(known)
        .map(|name| common::image(name))
        .collect()
}

fn written(format: &str) -> String {
    let output = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .args(["inspect", "--pedantic", "--format", format])
        .args(images())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Several at once: every file is written, and stdout has its own.
#[test]
fn several_formats_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let output = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"))
        .arg("inspect")
        .arg(common::image("race"))
        .arg(format!(
            "--output-format=sarif={}",
            file("a.sarif").display()
        ))
        .arg(format!("--output-format=junit={}", file("a.xml").display()))
        .arg(format!(
            "--output-format=gitlab={}",
            file("a.json").display()
        ))
        .arg(format!(
            "--output-format=markdown={}",
            file("a.md").display()
        ))
        .arg(format!("--html={}", file("a.html").display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("error[backdoor-device-not-pulled-in]")
    );
    for name in ["a.sarif", "a.xml", "a.json", "a.md", "a.html"] {
        let text = std::fs::read_to_string(file(name)).unwrap();
        assert!(
            text.contains("backdoor-device-not-pulled-in"),
            "{name}: {text}"
        );
    }
}

/// A report a line, each by the published schema.
#[test]
fn json_lines_keep_to_the_schema_line_by_line() {
    let schema = isar_doctor::report::json::schema().unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = written("jsonl");
    let reports: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), images().len());
    for (report, image) in reports.iter().zip(images()) {
        assert!(validator.is_valid(report), "{}", report["image"]);
        assert_eq!(report["image"], image.display().to_string());
    }
}

/// A rule's words have several lines; no format may show a line break as an escape.
#[test]
fn line_breaks_are_line_breaks() {
    for format in ["human", "junit", "github", "gitlab", "markdown"] {
        assert!(!written(format).contains("\\n"), "{format}");
    }
    let sarif: Value = serde_json::from_str(&written("sarif")).unwrap();
    let help = sarif["runs"][0]["tool"]["driver"]["rules"].to_string();
    assert!(
        help.contains("Requires=dev-hvc0.device") && !help.contains("{device}"),
        "{help}"
    );
    for result in sarif["runs"][0]["results"].as_array().unwrap() {
        let text = result["message"]["text"].as_str().unwrap();
        assert!(
            text.contains("\n\nFix: ") && !text.contains("\\n"),
            "{text}"
        );
    }
}

/// What GitLab's documentation of Code Quality reports asks for.
#[test]
fn gitlab_gets_every_field() {
    let report: Value = serde_json::from_str(&written("gitlab")).unwrap();
    let issues = report.as_array().unwrap();
    assert!(!issues.is_empty());
    let mut prints: Vec<&str> = Vec::new();
    for issue in issues {
        assert!(
            issue["description"].as_str().is_some_and(|d| !d.is_empty()),
            "{issue}"
        );
        assert!(issue["check_name"].is_string(), "{issue}");
        assert!(issue["location"]["path"].is_string(), "{issue}");
        assert!(issue["location"]["lines"]["begin"].is_u64(), "{issue}");
        let severity = issue["severity"].as_str().unwrap();
        assert!(
            ["info", "minor", "major", "critical", "blocker"].contains(&severity),
            "{issue}"
        );
        prints.push(issue["fingerprint"].as_str().unwrap());
    }
    let count = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), count, "fingerprints tell findings apart");
}

/// GitHub's workflow commands: one line each, `::error file=…,line=…,title=…::message`.
#[test]
fn github_annotations_are_single_lines() {
    let text = written("github");
    assert!(text.contains("::error "));
    for line in text.lines() {
        let (head, message) = line
            .strip_prefix("::")
            .and_then(|l| l.split_once("::"))
            .unwrap();
        let kind = head.split(' ').next().unwrap();
        assert!(["error", "warning", "notice"].contains(&kind), "{line}");
        assert!(!message.is_empty(), "{line}");
    }
}

fn validator(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/validators")
        .join(name);
    assert!(
        path.exists(),
        "no {}; run scripts/setup-validators",
        path.display()
    );
    path
}

#[test]
#[ignore = "needs the SARIF schema (scripts/setup-validators): make test-full"]
fn sarif_is_valid_by_its_schema() {
    let mut schema: Value =
        serde_json::from_slice(&std::fs::read(validator("sarif.schema.json")).unwrap()).unwrap();
    // The published pattern has a bracket too many and is no regular expression by the letter; no report here has the field.
    for owner in ["run", "toolComponent"] {
        let path = format!("/definitions/{owner}/properties/language");
        let language = schema.pointer_mut(&path).unwrap();
        language.as_object_mut().unwrap().remove("pattern");
    }
    let report: Value = serde_json::from_str(&written("sarif")).unwrap();
    let checker = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = checker
        .iter_errors(&report)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let results = report["runs"][0]["results"].as_array().unwrap();
    println!("{} results", results.len());
    let race = results
        .iter()
        .find(|r| r["ruleId"] == "backdoor-device-not-pulled-in")
        .unwrap();
    let place = &race["locations"][0]["logicalLocations"][0];
    assert!(
        place["fullyQualifiedName"]
            .as_str()
            .unwrap()
            .starts_with("p2:/"),
        "{place}"
    );
    for result in results {
        let location = &result["locations"][0];
        assert!(
            location["physicalLocation"]["artifactLocation"]["uri"].is_string(),
            "{result}"
        );
        assert!(
            location["logicalLocations"][0]["name"].is_string(),
            "{result}"
        );
        assert!(result["partialFingerprints"].is_object(), "{result}");
    }
}

#[test]
#[ignore = "needs the XSD (scripts/setup-validators): make test-full"]
fn junit_is_valid_by_its_xsd() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.xml");
    std::fs::write(&file, written("junit")).unwrap();
    let output = Command::new("xmllint")
        .arg("--noout")
        .arg("--schema")
        .arg(validator("junit.xsd"))
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}
