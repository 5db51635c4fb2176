//! `system.conf`, `journald.conf` and their drop-ins (systemd-system.conf(5), "Configuration Directories and Precedence").

use super::load_path::is_backup;
use super::model::Setting;
use super::syntax;
use super::tree::{self, Found, Tree};
use crate::inspect::source::Origin;
use std::collections::BTreeMap;

/// Configuration directories, best first.
const DIRECTORIES: &[&str] = &[
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
    "/lib/systemd",
];

/// Effective settings of `<file>` in one section: the main file, then drop-ins by name; the last assignment of a key counts.
pub fn read(tree: &Tree, file: &str, section: &str, version: u32) -> Vec<Setting> {
    // Main files outside of /etc count since systemd 254.
    let mains = if version >= 254 {
        DIRECTORIES
    } else {
        &DIRECTORIES[..1]
    };
    let main = mains
        .iter()
        .map(|dir| format!("{dir}/{file}"))
        .find(|path| tree.resolve(path).1 != Found::Missing);
    let mut drop_ins: BTreeMap<String, String> = BTreeMap::new();
    for dir in DIRECTORIES {
        let Some(dir) = tree.canonical_dir(&format!("{dir}/{file}.d")) else {
            continue;
        };
        for entry in tree.list(&dir).iter().flat_map(|l| l.iter()) {
            if entry.name.ends_with(".conf") && !is_backup(&entry.name) {
                drop_ins
                    .entry(entry.name.clone())
                    .or_insert_with(|| tree::join(&dir, &entry.name));
            }
        }
    }
    let mut settings: Vec<Setting> = Vec::new();
    for path in main.into_iter().chain(drop_ins.into_values()) {
        let (real, found) = tree.resolve(&path);
        if found != Found::File {
            continue;
        }
        let Ok(source) = tree.read(&real) else {
            continue;
        };
        let parsed = syntax::parse(&source, &|name| Some(name == section));
        for a in parsed.assignments {
            settings.retain(|s| s.key != a.key);
            if !a.value.is_empty() {
                settings.push(Setting {
                    section: a.section,
                    key: a.key,
                    value: a.value,
                    origin: Origin::line(&source, a.line),
                });
            }
        }
    }
    settings
}
