//! The templates of `contrib/`: parsed, and their shell run on real images as the service would run it.

mod common;

use serde_yaml::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn template(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&template(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Runs a script in a directory with our program first in PATH; the exit code and what it printed.
fn run(script: &str, dir: &Path, variables: &[(&str, &str)]) -> (i32, String) {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_isar-doctor"));
    let bin = bin.parent().expect("a directory").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-e", "-c", script])
        .current_dir(dir)
        .env("PATH", format!("{bin}:{path}"))
        .envs(variables.iter().copied())
        .output()
        .expect("bash can be started");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().expect("an exit code"),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn the_gitlab_job_fails_on_the_race_and_writes_its_reports() {
    let job = yaml("gitlab/isar-doctor.gitlab-ci.yml");
    let job = &job[".isar-doctor"];
    let script = job["script"][0].as_str().expect("a script");
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, code) in [("race", 1), ("healthy", 0)] {
        let image = common::image(name).display().to_string();
        let variables = [
            ("ISAR_DOCTOR_IMAGES", image.as_str()),
            ("ISAR_DOCTOR_FAIL_ON", "error"),
        ];
        let (got, text) = run(script, dir.path(), &variables);
        assert_eq!(got, code, "{text}");
        for report in ["codequality", "junit"] {
            let file = job["artifacts"]["reports"][report]
                .as_str()
                .expect("a file");
            assert!(dir.path().join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn the_github_action_annotates() {
    let action = yaml("github/action.yml");
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    let script = action["runs"]["steps"][1]["run"]
        .as_str()
        .expect("a script");
    let image = common::image("race").display().to_string();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let variables = [("IMAGES", image.as_str()), ("FAIL_ON", "error")];
    let (code, text) = run(script, dir.path(), &variables);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("::error"), "{text}");
    let sarif = action["outputs"]["sarif"]["value"]
        .as_str()
        .expect("a file");
    assert!(dir.path().join(sarif).is_file());
}

#[test]
fn the_isar_task_fails_on_the_race() {
    let class = template("isar/classes/isar-doctor.bbclass");
    let body = class
        .split_once("do_isar_doctor() {\n")
        .expect("the task")
        .1;
    let body = body.split_once("\n}").expect("its end").0;
    // bitbake expands the variables of the recipe; the shell does it here.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let report = dir.path().join("report.json").display().to_string();
    for (name, code) in [("race", 1), ("healthy", 0)] {
        let image = common::image(name).display().to_string();
        let variables = [
            ("ISAR_DOCTOR_IMAGE", image.as_str()),
            ("ISAR_DOCTOR_REPORT", report.as_str()),
            ("ISAR_DOCTOR_OPTIONS", "--fail-on error"),
        ];
        let (got, text) = run(body, dir.path(), &variables);
        assert_eq!(got, code, "{text}");
        assert!(Path::new(&report).is_file());
    }
}

#[test]
fn the_hook_stops_a_commit_with_a_wrong_configuration() {
    let hook = template("pre-commit/isar-doctor-hook");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (code, text) = run("git init -q .", dir.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(run(&hook, dir.path(), &[]).0, 0);
    std::fs::write(dir.path().join(".isar-doctor.yaml"), "profil: login\n").expect("a file");
    let (code, text) = run(&hook, dir.path(), &[]);
    assert_eq!(code, 2, "{text}");
    std::fs::write(
        dir.path().join(".isar-doctor.yaml"),
        "profile: nixos-test\n",
    )
    .expect("a file");
    assert_eq!(run(&hook, dir.path(), &[]).0, 0);
    let image = common::image("race").display().to_string();
    assert_eq!(
        run(&hook, dir.path(), &[("ISAR_DOCTOR_IMAGES", &image)]).0,
        1
    );
}
