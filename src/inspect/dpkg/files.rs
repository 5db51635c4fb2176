//! Which package owns a file, and whether its files are still what it shipped.

use super::{FileState, PackageFile};
use crate::inspect::error::ErrorKind;
use crate::inspect::filesystem::{CONFIG_CAP, FileKind, FileSystem};
use crate::inspect::source::Location;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};

const INFO: &str = "/var/lib/dpkg/info";
/// The longest list of Debian's archive has some 100 000 paths.
const LIST_CAP: u64 = CONFIG_CAP * 16;
/// A packaged file larger than this is not hashed.
const FILE_CAP: u64 = 64 << 20;
/// Directories that merged /usr makes links to their namesakes there.
const MERGED: &[&str] = &["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"];

/// The names that dpkg may have recorded for a path: with and without `/usr`, because on a merged-/usr system both lead there.
pub fn spellings(path: &str) -> Vec<String> {
    let mut names = vec![path.to_owned()];
    match path.strip_prefix("/usr") {
        Some(rest) if MERGED.iter().any(|dir| rest.starts_with(dir)) => names.push(rest.to_owned()),
        None if MERGED.iter().any(|dir| path.starts_with(dir)) => names.push(format!("/usr{path}")),
        _ => {}
    }
    names
}

/// A package's file of `/var/lib/dpkg/info`; multi-arch packages have their architecture in its name.
pub fn info(fs: &dyn FileSystem, name: &str, architecture: &str, suffix: &str) -> Option<String> {
    let plain = format!("{INFO}/{name}.{suffix}");
    let bytes = fs
        .read(&plain, LIST_CAP)
        .or_else(|_| fs.read(&format!("{INFO}/{name}:{architecture}.{suffix}"), LIST_CAP))
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Packages whose file list names one of the paths, which are in all their spellings.
pub fn owners(fs: &dyn FileSystem, wanted: &BTreeSet<String>) -> Vec<String> {
    if wanted.is_empty() {
        return Vec::new();
    }
    fs.read_dir(INFO)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.name.ends_with(".list"))
        .filter(|entry| {
            let list = fs
                .read(&format!("{INFO}/{}", entry.name), LIST_CAP)
                .unwrap_or_default();
            String::from_utf8_lossy(&list)
                .lines()
                .any(|line| wanted.contains(line))
        })
        .filter_map(|entry| {
            let name = entry.name.strip_suffix(".list")?;
            Some(name.split(':').next().unwrap_or(name).to_owned())
        })
        .collect()
}

/// What dpkg-divert(1) moved aside: the path as packages name it → where it lies now, and the package whose own file stays.
pub struct Diversions(BTreeMap<String, (String, String)>);

impl Diversions {
    /// Reads `/var/lib/dpkg/diversions`: three lines each.
    pub fn read(fs: &dyn FileSystem) -> Diversions {
        let text = fs
            .read_source("/var/lib/dpkg/diversions", CONFIG_CAP)
            .map(|f| f.text.clone())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let entries = lines
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[from, to, by]| ((*from).to_owned(), ((*to).to_owned(), (*by).to_owned())));
        Diversions(entries.collect())
    }

    /// Where a package's file lies.
    fn place<'a>(&'a self, path: &'a str, package: &str) -> &'a str {
        match self.0.get(path) {
            Some((to, by)) if by != package => to,
            _ => path,
        }
    }
}

/// Every file of a package's list against its recorded sum.
pub fn check(
    fs: &dyn FileSystem,
    name: &str,
    architecture: &str,
    conffiles: &BTreeSet<&str>,
    diversions: &Diversions,
) -> Vec<PackageFile> {
    let sums: BTreeMap<String, String> = info(fs, name, architecture, "md5sums")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, path)| (format!("/{}", path.trim_start_matches('/')), sum.to_owned()))
        .collect();
    info(fs, name, architecture, "list")
        .unwrap_or_default()
        .lines()
        .filter(|path| path.starts_with('/') && *path != "/.")
        .map(|path| {
            let now = diversions.place(path, name);
            PackageFile {
                path: path.to_owned(),
                state: state(fs, now, sums.get(path), conffiles.contains(path)),
                location: Location::file(fs.partition(), now),
            }
        })
        .collect()
}

fn state(fs: &dyn FileSystem, path: &str, sum: Option<&String>, conffile: bool) -> FileState {
    let found = match fs.symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind == ErrorKind::NotFound => return FileState::Missing,
        Err(_) => return FileState::Unreadable,
    };
    if conffile {
        return FileState::Conffile;
    }
    let Some(sum) = sum else {
        return FileState::Intact;
    };
    if found.kind != FileKind::Regular {
        return FileState::Changed;
    }
    match fs.read(path, FILE_CAP) {
        Ok(bytes) if hex(&Md5::digest(&bytes)) == *sum => FileState::Intact,
        Ok(_) => FileState::Changed,
        Err(_) => FileState::Unreadable,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
