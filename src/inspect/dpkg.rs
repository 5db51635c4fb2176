//! dpkg's database: status, file lists, md5sums.

use super::error::{Error, Fact, Result};
use super::filesystem::{CONFIG_CAP, FileKind, FileSystem};
use super::source::{Location, Origin};
use deb822_fast::Deb822;
use md5::{Digest, Md5};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One installed (or half-installed) package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Package {
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// `Status:` as written, e.g. `install ok installed`.
    pub status: String,
}

/// A package file against its recorded md5sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageFile {
    /// Path as dpkg recorded it.
    pub path: String,
    /// What is there now.
    pub state: FileState,
    /// Where.
    pub location: Location,
}

/// State of a packaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Same md5sum, or a directory/link that is there.
    Intact,
    /// Other content.
    Changed,
    /// Gone.
    Missing,
    /// A conffile: content may differ.
    Conffile,
    /// Could not be read.
    Unreadable,
}

/// A package that the profile names, in depth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageDetail {
    /// Name.
    pub name: String,
    /// From the status file.
    pub package: Package,
    /// Its stanza in the status file.
    pub origin: Option<Origin>,
    /// Every file of its list.
    pub files: Vec<PackageFile>,
}

/// dpkg's view of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageFacts {
    /// Installed packages by name (`name:arch` for foreign architectures).
    #[serde(skip)]
    pub packages: BTreeMap<String, Package>,
    /// Number of packages.
    pub count: usize,
    /// Stanzas that could not be parsed, with their line.
    pub problems: Vec<super::error::Error>,
    /// Details of the packages that own the backdoor's unit, or that the profile names.
    pub details: Vec<PackageDetail>,
    /// Where the status file lies.
    pub status_file: Fact<Location>,
}

const STATUS: &str = "/var/lib/dpkg/status";
/// A status file of 100 MiB would be some 60 000 packages.
const STATUS_CAP: u64 = 100 << 20;
/// A packaged file larger than this is not hashed.
const FILE_CAP: u64 = 64 << 20;

/// Reads the database; `paths` are files whose owners are looked at in depth, `names` packages that are in any case.
pub fn read(fs: &dyn FileSystem, names: &[&str], paths: &[&str]) -> Fact<PackageFacts> {
    Fact::from_result(read_database(fs, names, paths))
}

fn read_database(fs: &dyn FileSystem, names: &[&str], paths: &[&str]) -> Result<PackageFacts> {
    let status = fs.read_source(STATUS, STATUS_CAP)?;
    let mut facts = PackageFacts {
        packages: BTreeMap::new(),
        count: 0,
        problems: Vec::new(),
        details: Vec::new(),
        status_file: Fact::Known(status.location()),
    };
    let mut lines = BTreeMap::new();
    for (line, stanza) in stanzas(&status.text) {
        match package(stanza) {
            Ok((name, package)) => {
                lines.insert(name.clone(), line);
                facts.packages.insert(name, package);
            }
            Err(message) => facts
                .problems
                .push(Error::corrupt(status.location().at_line(line), message)),
        }
    }
    facts.count = facts.packages.len();
    let wanted: BTreeSet<String> = names
        .iter()
        .map(|n| (*n).to_owned())
        .chain(owners(fs, paths))
        .collect();
    for name in wanted {
        if let Some(package) = facts.packages.get(&name) {
            let origin = lines.get(&name).map(|line| Origin::line(&status, *line));
            facts
                .details
                .push(detail(fs, &name, package, origin, &status.text));
        }
    }
    Ok(facts)
}

/// Stanzas with the 1-based line on which each begins.
fn stanzas(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut line = 1;
    text.split("\n\n").filter_map(move |stanza| {
        let skipped = stanza.len() - stanza.trim_start_matches('\n').len();
        let start = line + skipped as u32;
        line += stanza.matches('\n').count() as u32 + 2;
        (!stanza.trim().is_empty()).then_some((start, stanza.trim_start_matches('\n')))
    })
}

fn package(stanza: &str) -> std::result::Result<(String, Package), String> {
    let parsed: Deb822 = stanza.parse().map_err(|e| format!("dpkg status: {e}"))?;
    let paragraph = parsed.iter().next().ok_or("dpkg status: an empty stanza")?;
    let field = |name: &str| paragraph.get(name).map(str::trim);
    let name = field("Package").ok_or("dpkg status: a stanza without Package:")?;
    let status = field("Status").ok_or_else(|| format!("dpkg status: {name} has no Status:"))?;
    let version = field("Version").unwrap_or_default();
    if !version.is_empty() && version.parse::<debversion::Version>().is_err() {
        return Err(format!(
            "dpkg status: {name} has the impossible version {version:?}"
        ));
    }
    let package = Package {
        version: version.to_owned(),
        architecture: field("Architecture").unwrap_or_default().to_owned(),
        status: status.to_owned(),
    };
    Ok((name.to_owned(), package))
}

/// Packages whose file list names one of the paths.
fn owners(fs: &dyn FileSystem, paths: &[&str]) -> Vec<String> {
    if paths.is_empty() {
        return Vec::new();
    }
    let wanted: BTreeSet<&str> = paths.iter().flat_map(|p| spellings(p)).collect();
    fs.read_dir("/var/lib/dpkg/info")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| Some((entry.name.strip_suffix(".list")?.to_owned(), entry.name)))
        .filter(|(_, file)| {
            let list = fs
                .read(&format!("/var/lib/dpkg/info/{file}"), CONFIG_CAP * 8)
                .unwrap_or_default();
            String::from_utf8_lossy(&list)
                .lines()
                .any(|line| wanted.contains(line))
        })
        .map(|(name, _)| name.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

/// dpkg may have recorded `/lib/…` for what lies in `/usr/lib/…` on a merged-/usr system, and the other way round.
fn spellings(path: &str) -> [&str; 2] {
    [
        path,
        path.strip_prefix("/usr")
            .filter(|rest| {
                rest.starts_with("/lib") || rest.starts_with("/bin") || rest.starts_with("/sbin")
            })
            .unwrap_or(path),
    ]
}

fn detail(
    fs: &dyn FileSystem,
    name: &str,
    package: &Package,
    origin: Option<Origin>,
    status: &str,
) -> PackageDetail {
    let info = |suffix: &str| {
        let plain = format!("/var/lib/dpkg/info/{name}.{suffix}");
        let multi = format!(
            "/var/lib/dpkg/info/{name}:{}.{suffix}",
            package.architecture
        );
        let bytes = fs
            .read(&plain, CONFIG_CAP * 8)
            .or_else(|_| fs.read(&multi, CONFIG_CAP * 8))
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let sums: BTreeMap<String, String> = info("md5sums")
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, path)| (format!("/{}", path.trim_start_matches('/')), sum.to_owned()))
        .collect();
    let conffiles = conffiles(status, name);
    let files = info("list")
        .lines()
        .filter(|path| path.starts_with('/') && *path != "/.")
        .map(|path| PackageFile {
            path: path.to_owned(),
            state: file_state(fs, path, sums.get(path), conffiles.contains(path)),
            location: Location::file(fs.partition(), path),
        })
        .collect();
    PackageDetail {
        name: name.to_owned(),
        package: package.clone(),
        origin,
        files,
    }
}

/// Paths of the `Conffiles:` field of a package's stanza.
fn conffiles<'a>(status: &'a str, name: &str) -> BTreeSet<&'a str> {
    let head = format!("Package: {name}");
    let stanza = stanzas(status)
        .map(|(_, s)| s)
        .find(|s| s.lines().any(|l| l == head))
        .unwrap_or_default();
    stanza
        .lines()
        .skip_while(|l| !l.starts_with("Conffiles:"))
        .skip(1)
        .take_while(|l| l.starts_with(' '))
        .filter_map(|l| l.split_whitespace().next())
        .collect()
}

fn file_state(fs: &dyn FileSystem, path: &str, sum: Option<&String>, conffile: bool) -> FileState {
    let found = match fs.symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind == super::error::ErrorKind::NotFound => return FileState::Missing,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;
    use std::fs;

    fn root(status: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("var/lib/dpkg/info")).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("var/lib/dpkg/status"), status).unwrap();
        dir
    }

    #[test]
    fn one_bad_stanza_does_not_hide_the_others() {
        let dir = root(
            "Package: a\nStatus: install ok installed\nVersion: 1\n\nthis is no field\n\nPackage: b\nStatus: install ok half-configured\nVersion: 2:3-1\n",
        );
        let fact = read(&DirectoryFs::new(dir.path(), "p2"), &["b"], &[]);
        let facts = fact.known().unwrap();
        assert_eq!(facts.count, 2);
        assert_eq!(facts.problems[0].location.line, Some(5));
        assert_eq!(
            facts.details[0].package.status,
            "install ok half-configured"
        );
        assert_eq!(facts.details[0].origin.as_ref().unwrap().line, Some(7));
    }

    #[test]
    fn files_against_their_sums() {
        let dir = root(
            "Package: x\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/x.conf 0123\nDescription: x\n",
        );
        let info = dir.path().join("var/lib/dpkg/info");
        fs::write(
            info.join("x.list"),
            "/.\n/etc\n/etc/good\n/etc/bad\n/etc/gone\n/etc/x.conf\n",
        )
        .unwrap();
        fs::write(info.join("x.md5sums"), "900150983cd24fb0d6963f7d28e17f72  etc/good\n900150983cd24fb0d6963f7d28e17f72  etc/bad\n900150983cd24fb0d6963f7d28e17f72  etc/gone\n").unwrap();
        for (name, text) in [("good", "abc"), ("bad", "abd"), ("x.conf", "mine")] {
            fs::write(dir.path().join("etc").join(name), text).unwrap();
        }
        let fact = read(&DirectoryFs::new(dir.path(), "p2"), &[], &["/etc/good"]);
        let states: Vec<_> = fact.known().unwrap().details[0]
            .files
            .iter()
            .map(|f| f.state)
            .collect();
        assert_eq!(
            states,
            [
                FileState::Intact,
                FileState::Intact,
                FileState::Changed,
                FileState::Missing,
                FileState::Conffile
            ]
        );
    }
}
