//! Files that look like units, masks or links to units and lie where systemd never looks. A recipe variable that expanded to
//! nothing puts `${D}${systemd_system_unitdir}/x.service` at `/x.service`.

use super::load_path::SEARCH_PATH;
use super::model::StrayUnit;
use super::name;
use super::tree::{self, Found, Tree};
use crate::inspect::filesystem::FileKind;
use crate::inspect::source::Location;
use std::collections::BTreeSet;

/// Directories in which units are put by mistake.
const SUSPECTS: &[&str] = &[
    "/",
    "/system",
    "/systemd",
    "/systemd/system",
    "/etc",
    "/etc/systemd",
    "/etc/system",
    "/etc/systemd/systemd",
    "/etc/systemd/system/system",
    "/usr",
    "/usr/system",
    "/usr/systemd",
    "/usr/systemd/system",
    "/usr/lib",
    "/usr/lib/systemd",
    "/usr/lib/system",
    "/usr/lib/systemd/systemd",
    "/usr/lib/systemd/system/system",
    "/usr/lib64/systemd/system",
    "/usr/local/systemd/system",
    "/usr/share/systemd/system",
    "/usr/etc/systemd/system",
    "/lib",
    "/lib/systemd",
    "/lib/system",
    "/lib64/systemd/system",
    "/opt/systemd/system",
    "/root",
    "/var/lib/systemd/system",
];
/// Entries of one directory that are looked at.
const ENTRIES_MAX: usize = 20_000;

/// Looks into the suspects; unit directories themselves are not suspect.
pub fn find(tree: &Tree) -> Vec<StrayUnit> {
    let real: BTreeSet<String> = SEARCH_PATH
        .iter()
        .filter_map(|dir| tree.canonical_dir(dir))
        .collect();
    let mut seen = BTreeSet::new();
    let mut stray = Vec::new();
    for suspect in SUSPECTS {
        let Some(dir) = tree.canonical_dir(suspect) else {
            continue;
        };
        if !real.contains(&dir) && seen.insert(dir.clone()) {
            look(tree, &dir, &mut stray);
        }
    }
    stray.sort_by(|a, b| a.location.cmp(&b.location));
    stray
}

fn look(tree: &Tree, dir: &str, stray: &mut Vec<StrayUnit>) {
    let Some(entries) = tree.list(dir) else {
        return;
    };
    for entry in entries.iter().take(ENTRIES_MAX) {
        let path = tree::join(dir, &entry.name);
        if name::kind(&entry.name).is_some() {
            let kind = match entry.kind {
                FileKind::Symlink if tree.resolve(&path).1 == Found::Null => "mask",
                FileKind::Regular | FileKind::Symlink => "unit",
                FileKind::Directory | FileKind::Special => continue,
            };
            add(tree, stray, &path, kind, &entry.name);
        } else if entry.kind == FileKind::Directory
            && let Some((kind, ending)) = subdir_kind(&entry.name)
        {
            for inner in tree
                .list(&path)
                .iter()
                .flat_map(|l| l.iter())
                .take(ENTRIES_MAX)
            {
                if inner.name.ends_with(ending)
                    && (kind == "drop-in" || name::kind(&inner.name).is_some())
                {
                    add(
                        tree,
                        stray,
                        &tree::join(&path, &inner.name),
                        kind,
                        &format!("{}/{}", entry.name, inner.name),
                    );
                }
            }
        }
    }
}

/// `x.target.wants` and its kin, `x.service.d`.
fn subdir_kind(dir: &str) -> Option<(&'static str, &'static str)> {
    let (owner, suffix) = dir.rsplit_once('.')?;
    name::kind(owner)?;
    match suffix {
        "wants" | "requires" | "upholds" => Some(("wants-link", "")),
        "d" => Some(("drop-in", ".conf")),
        _ => None,
    }
}

fn add(tree: &Tree, stray: &mut Vec<StrayUnit>, path: &str, kind: &str, below: &str) {
    stray.push(StrayUnit {
        location: Location::file(tree.fs().partition(), path),
        kind: kind.into(),
        expected: format!("/usr/lib/systemd/system/{below}"),
    });
}
