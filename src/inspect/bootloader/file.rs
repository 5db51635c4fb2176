//! Files named by loader configuration: paths with either slash, in any case, as the firmware opens them.

use super::{EntryFile, FoundFile};
use crate::inspect::error::{Error, Fact, Result};
use crate::inspect::filesystem::{FileKind, FileSystem};
use crate::inspect::source::{Location, Origin};

/// Deeper paths are not walked.
const MAX_DEPTH: usize = 32;

/// The path as it is stored, found without regard to case and with `\` or `/` between names (UEFI specification 13.5).
pub fn resolve(fs: &dyn FileSystem, path: &str) -> Result<String> {
    let clean = clean(path);
    if let Ok(stored) = fs.canonicalize(&clean) {
        return Ok(stored);
    }
    let mut stored = String::new();
    for (depth, name) in clean.split('/').filter(|n| !n.is_empty()).enumerate() {
        let missing = || Error::not_found(Location::file(fs.partition(), clean.clone()));
        if depth >= MAX_DEPTH {
            return Err(missing());
        }
        let dir = if stored.is_empty() { "/" } else { &stored };
        let entries = fs.read_dir(dir)?;
        let entry = entries
            .iter()
            .find(|e| e.name.to_lowercase() == name.to_lowercase())
            .ok_or_else(missing)?;
        stored = format!("{stored}/{}", entry.name);
    }
    Ok(stored)
}

/// Absolute, with single forward slashes.
pub fn clean(path: &str) -> String {
    let names = path
        .split(['/', '\\'])
        .filter(|n| !n.is_empty() && *n != ".");
    names.fold(String::new(), |all, name| format!("{all}/{name}"))
}

/// Looks a named file up.
pub fn find(fs: &dyn FileSystem, path: &str) -> Fact<FoundFile> {
    Fact::from_result(find_file(fs, path))
}

fn find_file(fs: &dyn FileSystem, path: &str) -> Result<FoundFile> {
    let stored = resolve(fs, path)?;
    let location = Location::file(fs.partition(), stored.clone());
    let metadata = fs.metadata(&stored)?;
    if metadata.kind != FileKind::Regular {
        return Err(Error::unsupported(location, "is not a regular file"));
    }
    Ok(FoundFile {
        location,
        size: metadata.size,
        section: None,
        offset: 0,
    })
}

/// A file named on a line of the configuration.
pub fn entry_file(fs: &dyn FileSystem, path: &str, origin: Option<Origin>) -> EntryFile {
    EntryFile {
        path: path.to_owned(),
        origin,
        file: find(fs, path),
    }
}

/// Names of the regular files of a directory that the firmware would list; none when there is no such directory.
pub fn list(fs: &dyn FileSystem, dir: &str) -> Vec<String> {
    let Ok(stored) = resolve(fs, dir) else {
        return Vec::new();
    };
    let entries = fs.read_dir(&stored).unwrap_or_default();
    entries
        .into_iter()
        .filter(|e| e.kind != FileKind::Directory)
        .map(|e| format!("{}/{}", stored.trim_end_matches('/'), e.name))
        .collect()
}

/// The last component of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
