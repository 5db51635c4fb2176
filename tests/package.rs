//! The Debian package: built, listed, unpacked into a scratch root, and run from there. Completions and man pages.

use assert_cmd::Command;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_isar-doctor");

fn output(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
#[ignore = "builds cargo-deb once: make test-full"]
fn the_package_holds_everything_and_its_program_runs() {
    let deb = output("scripts/deb", &[PROGRAM]);
    let deb = deb.trim();
    let contents = output("dpkg-deb", &["--contents", deb]);
    for path in [
        "./usr/bin/isar-doctor\n",
        "./usr/share/bash-completion/completions/isar-doctor\n",
        "./usr/share/zsh/vendor-completions/_isar-doctor\n",
        "./usr/share/fish/vendor_completions.d/isar-doctor.fish\n",
        "./usr/share/man/man1/isar-doctor.1.gz\n",
        "./usr/share/man/man1/isar-doctor-diff.1.gz\n",
        "./usr/share/doc/isar-doctor/copyright\n",
        "./usr/share/doc/isar-doctor/docs/rules/README.md\n",
        "./usr/share/doc/isar-doctor/examples/isar/classes/isar-doctor.bbclass\n",
    ] {
        assert!(contents.contains(path), "{path} in\n{contents}");
    }
    assert!(contents.lines().all(|l| l.contains(" 0/0 ")));
    let fields = output("dpkg-deb", &["--field", deb, "Version", "Depends"]);
    assert!(fields.contains(env!("CARGO_PKG_VERSION")), "{fields}");
    assert!(fields.contains("libc6 (>= 2."), "{fields}");
    assert!(fields.contains("libgcc-s1"), "{fields}");

    let copyright = "dpkg-deb --fsys-tarfile \"$1\" | tar xO ./usr/share/doc/isar-doctor/copyright";
    let copyright = output("sh", &["-c", copyright, "sh", deb]);
    for licence in ["License: MIT or Apache-2.0", "Permission is hereby granted"] {
        assert!(copyright.contains(licence), "{copyright}");
    }
    let plan = output(
        "apt-get",
        &["install", "--reinstall", "--simulate", &format!("./{deb}")],
    );
    assert!(plan.contains("Inst isar-doctor"), "{plan}");

    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = dir.path().to_str().expect("UTF-8");
    output("dpkg-deb", &["--extract", deb, root]);
    let installed = dir.path().join("usr/bin/isar-doctor");
    let version = output(installed.to_str().expect("UTF-8"), &["--version"]);
    assert_eq!(
        version.trim(),
        concat!("isar-doctor ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = output(PROGRAM, &["completions", shell]);
        for word in ["inspect", "diff", "bad-fails"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// What bash offers for the last of these words.
fn bash_offers(script: &Path, words: &[&str]) -> String {
    let complete = r#"source "$1"; shift
        function=$(complete -p isar-doctor | sed 's/.* -F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        "$function" "$1" "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}""#;
    let assert = Command::new("bash")
        .args(["-c", complete, "bash"])
        .arg(script)
        .arg("isar-doctor")
        .args(words)
        .assert()
        .success();
    String::from_utf8_lossy(&assert.get_output().stdout)
        .trim()
        .to_owned()
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("completion");
    std::fs::write(&file, output(PROGRAM, &["completions", "bash"])).expect("a file");
    assert_eq!(bash_offers(&file, &["ins"]), "inspect");
    assert_eq!(bash_offers(&file, &["inspect", "--fail"]), "--fail-on");
    assert_eq!(bash_offers(&file, &["inspect", "--format", "s"]), "sarif");
    assert_eq!(bash_offers(&file, &["config", "che"]), "check");
}

#[test]
fn there_is_a_man_page_for_each_subcommand() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    output(PROGRAM, &["man", dir.path().to_str().expect("UTF-8")]);
    let read = |name: &str| std::fs::read_to_string(Path::new(dir.path()).join(name));
    for name in [
        "isar-doctor.1",
        "isar-doctor-inspect.1",
        "isar-doctor-diff.1",
    ] {
        let page = read(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".TH"), "{name}");
    }
    assert!(read("isar-doctor-help.1").is_err());
}
