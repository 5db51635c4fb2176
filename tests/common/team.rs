//! A team's checkout: a directory with a configuration and images, in which the binary runs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A directory with a configuration; commands run in it.
pub struct Team(tempfile::TempDir);

impl Team {
    /// With this configuration.
    pub fn new(config: &str) -> Team {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".isar-doctor.yaml"), config).unwrap();
        Team(dir)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A fixture's image under another name, in place of what had it.
    pub fn link(&self, fixture: &str, name: &str) {
        let to = self.path().join(name);
        let _ = fs::remove_file(&to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(super::image(fixture), to).unwrap();
    }

    /// Exit code, stdout and stderr.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_in(".", arguments)
    }

    /// The same, in a directory below.
    pub fn run_in(&self, dir: &str, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("isar-doctor")
            .unwrap()
            .current_dir(self.path().join(dir))
            .env("NO_COLOR", "1")
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// Exit code and JSON report of `inspect`.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let all = [&["inspect", "--format", "json"], arguments].concat();
        let (code, out, err) = self.run(&all);
        (
            code,
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")),
        )
    }
}
