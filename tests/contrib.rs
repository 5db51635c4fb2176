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

#[test]
#[ignore = "needs the schemas (scripts/setup-validators): make test-full"]
fn the_templates_are_valid_by_the_services_schemas() {
    for (path, schema) in [
        ("gitlab/isar-doctor.gitlab-ci.yml", "gitlab-ci.json"),
        ("github/action.yml", "github-actions.json"),
    ] {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/validators")
            .join(schema);
        let schema = std::fs::read(&schema)
            .unwrap_or_else(|e| panic!("{}: {e}; run scripts/setup-validators", schema.display()));
        let schema = serde_json::from_slice(&schema).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let template = serde_json::to_value(yaml(path)).expect("JSON");
        let wrong: Vec<String> = validator
            .iter_errors(&template)
            .map(|e| format!("{}: {:.300}", e.instance_path(), e.to_string()))
            .collect();
        assert!(wrong.is_empty(), "{path}: {}", wrong.join("\n"));
        assert!(!validator.is_valid(&serde_json::json!({"runs": 1, "job": {"script": 1}})));
    }
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
fn the_github_action_installs_by_apt_or_by_cargo() {
    let action = yaml("github/action.yml");
    let script = action["runs"]["steps"][0]["run"]
        .as_str()
        .expect("a script");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let here = dir.path().canonicalize().expect("a directory");
    // What the runner has, saying how it was called; and no isar-doctor.
    let runner = |with: &str| {
        format!(
            "sudo() {{ echo sudo $*; }}; cargo() {{ echo cargo $*; }}; curl() {{ touch \"$3\"; echo curl $4; }}\n\
             command() {{ {with}; }}\n{script}"
        )
    };
    let temp = here.display().to_string();
    let steps = |with: &str, deb: &str| {
        let variables = [
            ("DEB", deb),
            ("RUNNER_TEMP", temp.as_str()),
            ("GITHUB_ACTION_PATH", "/action/contrib/github"),
        ];
        let (code, text) = run(&runner(with), &here, &variables);
        assert_eq!(code, 0, "{text}");
        text
    };
    let by_cargo = "cargo install --locked --path /action/contrib/github/../..\n";
    assert_eq!(steps("false", ""), by_cargo);
    assert_eq!(steps("true", ""), "");
    let by_apt = format!("sudo apt-get install -y {temp}/");
    assert_eq!(steps("true", "a.deb"), format!("{by_apt}a.deb\n"));
    let fetched = steps("true", "https://example.invalid/b.deb");
    let fetched = fetched.strip_prefix("curl https://example.invalid/b.deb\n");
    let by_apt = format!("{by_apt}isar-doctor.deb\n");
    assert_eq!(fetched, Some(by_apt.as_str()));
}

/// The defaults that a class sets (`NAME ?= "value"`).
fn defaults(class: &str) -> Vec<(String, String)> {
    let defaults = class.lines().filter_map(|l| l.split_once(" ?= "));
    defaults
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// Expands as bitbake does: a variable that nobody set stays as it is written.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    loop {
        let mut next = text.clone();
        for (name, value) in variables {
            next = next.replace(&format!("${{{name}}}"), value);
        }
        if next == text {
            return text;
        }
        text = next;
    }
}

#[test]
fn the_isar_task_fails_on_the_race() {
    let class = template("isar/classes/isar-doctor.bbclass");
    let body = class
        .split_once("do_isar_doctor() {\n")
        .expect("the task")
        .1;
    let body = body.split_once("\n}").expect("its end").0;
    for (name, code) in [("race", 1), ("healthy", 0)] {
        // As ISAR lays them out: ${DEPLOY_DIR_IMAGE}/${IMAGE_FULLNAME}.wic.
        let deploy = tempfile::tempdir().expect("a temporary directory");
        let full_name = "server-debian-bookworm-qemuamd64";
        let image = deploy.path().join(format!("{full_name}.wic"));
        std::os::unix::fs::symlink(common::image(name), image).expect("a link");
        let mut variables = defaults(&class);
        for (name, value) in [
            ("DEPLOY_DIR_IMAGE", deploy.path().display().to_string()),
            ("IMAGE_FULLNAME", full_name.to_owned()),
        ] {
            variables.push((name.to_owned(), value));
        }
        let task = expanded(body, &variables);
        assert!(!task.contains("${"), "{task}");
        let (got, text) = run(&task, deploy.path(), &[]);
        assert_eq!(got, code, "{text}");
        let report = deploy.path().join(format!("{full_name}.isar-doctor.json"));
        assert!(report.is_file(), "{}", report.display());
    }
}

/// nixpkgs is not here: what the expression takes of it is stood in for, so that the expression itself is evaluated and its shell run.
#[test]
#[ignore = "needs nix-instantiate (scripts/setup-validators): make test-full"]
fn the_nix_expression_evaluates_and_installs_completions_and_man_pages() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let caller = dir.path().join("call.nix");
    let nixpkgs = r#"
        { src }: import (src + "/contrib/nix/package.nix") {
          inherit src;
          installShellFiles = "installShellFiles";
          rustPlatform.buildRustPackage = arguments: arguments;
          lib = {
            importTOML = file: builtins.fromTOML (builtins.readFile file);
            licenses = { mit = "mit"; asl20 = "asl20"; };
            platforms.linux = [ "x86_64-linux" ];
          };
        }"#;
    std::fs::write(&caller, nixpkgs).expect("a file");
    let evaluate = r#"nix-instantiate --eval --strict --json --store dummy:// --argstr src "$SRC" call.nix 2>nix.err || { cat nix.err; exit 1; }"#;
    let variables = [("SRC", env!("CARGO_MANIFEST_DIR"))];
    let (code, text) = run(evaluate, dir.path(), &variables);
    assert_eq!(code, 0, "{text}");
    let package: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
    let lock = package["cargoLock"]["lockFile"].as_str().expect("a path");
    assert!(Path::new(lock).is_file(), "{lock}");
    assert_eq!(package["meta"]["mainProgram"], env!("CARGO_PKG_NAME"));

    let install = package["postInstall"].as_str().expect("a script");
    let script = format!(
        r#"mkdir -p out/bin; ln -s "$(command -v isar-doctor)" out/bin/; out=$PWD/out
        installShellCompletion() {{ test "$1 $2" = "--cmd isar-doctor"; cat "$4" >c.bash; cat "$6" >c.zsh; cat "$8" >c.fish; }}
        installManPage() {{ echo "$@"; }}
        {install}
        wc -c c.bash c.zsh c.fish"#
    );
    let (code, text) = run(&script, dir.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("man1/isar-doctor-inspect.1"), "{text}");
    assert!(!text.contains(" 0 c."), "{text}");
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

#[test]
fn pre_commit_is_told_of_the_hook() {
    use std::os::unix::fs::PermissionsExt;
    let hooks = yaml("../.pre-commit-hooks.yaml");
    let entry = hooks[0]["entry"].as_str().expect("a path");
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join(entry);
    let mode = hook.metadata().expect("the hook").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{entry}");
}
