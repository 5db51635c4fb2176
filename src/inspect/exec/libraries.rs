//! Where the dynamic loader looks for libraries (ld.so(8)).

use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};

/// Directories of ld.so.conf and the built-in ones. The loader itself reads ld.so.cache, which ldconfig makes from the same list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPath {
    directories: Vec<String>,
}

/// Debian's multiarch directories and the traditional ones.
const BUILT_IN: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/arm-linux-gnueabihf",
    "/usr/lib/arm-linux-gnueabihf",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    // systemd's private libraries are found by RUNPATH; Debian keeps them here.
    "/usr/lib/systemd",
];

impl SearchPath {
    /// Reads ld.so.conf and the files it includes.
    pub fn read(fs: &dyn FileSystem) -> SearchPath {
        let mut directories = Vec::new();
        let mut add = |path: &str| {
            let Ok(source) = fs.read_source(path, CONFIG_CAP) else {
                return;
            };
            let lines = source
                .text
                .lines()
                .map(|l| l.split('#').next().unwrap_or_default().trim());
            directories.extend(lines.filter(|l| l.starts_with('/')).map(str::to_owned));
        };
        add("/etc/ld.so.conf");
        for entry in fs.read_dir("/etc/ld.so.conf.d").unwrap_or_default() {
            if entry.name.ends_with(".conf") {
                add(&format!("/etc/ld.so.conf.d/{}", entry.name));
            }
        }
        directories.extend(BUILT_IN.iter().map(|d| (*d).to_owned()));
        SearchPath { directories }
    }

    /// A library of this name exists in one of the directories, or where the program itself says.
    pub fn has(&self, fs: &dyn FileSystem, runpaths: &[String], name: &str) -> bool {
        if name.contains('/') {
            return fs.exists(name);
        }
        runpaths
            .iter()
            .chain(&self.directories)
            .any(|dir| fs.exists(&format!("{dir}/{name}")))
    }
}
