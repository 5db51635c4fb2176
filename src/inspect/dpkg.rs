//! dpkg's database: status, file lists, md5sums.

mod files;
mod status;

use super::error::{Fact, Result};
use super::filesystem::FileSystem;
use super::source::{Location, Origin};
use files::Diversions;
use schemars::JsonSchema;
use serde::Serialize;
use status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// The database, read once and asked twice: early for versions, and for the backdoor's packages when its files are known.
pub struct Database {
    fs: Arc<dyn FileSystem>,
    status: Status,
}

impl Database {
    /// Reads the status file.
    pub fn read(fs: &Arc<dyn FileSystem>) -> Result<Database> {
        let status = Status::read(fs.as_ref())?;
        let fs = Arc::clone(fs);
        Ok(Database { fs, status })
    }

    /// Version of an installed package.
    pub fn version(&self, package: &str) -> Option<&str> {
        let found = self.status.packages.get(package)?;
        Some(found.version.as_str()).filter(|v| !v.is_empty())
    }

    /// The facts. `names` are packages that are looked at in depth, `paths` files whose owners are, too.
    pub fn facts(self, names: &[&str], paths: &[&str]) -> PackageFacts {
        let mut wanted: BTreeSet<String> = names.iter().map(|n| (*n).to_owned()).collect();
        wanted.extend(self.owners(names, paths));
        let diversions = Diversions::read(self.fs.as_ref());
        let details = wanted
            .iter()
            .filter_map(|name| self.detail(name, &diversions))
            .collect();
        PackageFacts {
            count: self.status.packages.len(),
            packages: self.status.packages,
            problems: self.status.problems,
            details,
            status_file: Fact::Known(self.status.file.location()),
        }
    }

    /// All lists are read only for a path that none of the named packages has.
    fn owners(&self, names: &[&str], paths: &[&str]) -> Vec<String> {
        let mut wanted: Vec<Vec<String>> = paths.iter().map(|p| files::spellings(p)).collect();
        for name in names {
            let architecture = self
                .status
                .packages
                .get(*name)
                .map(|p| p.architecture.as_str());
            let list = files::info(
                self.fs.as_ref(),
                name,
                architecture.unwrap_or_default(),
                "list",
            );
            let owned: BTreeSet<&str> = list.iter().flat_map(|l| l.lines()).collect();
            wanted.retain(|spellings| !spellings.iter().any(|s| owned.contains(s.as_str())));
        }
        files::owners(self.fs.as_ref(), &wanted.into_iter().flatten().collect())
    }

    fn detail(&self, name: &str, diversions: &Diversions) -> Option<PackageDetail> {
        let package = self.status.packages.get(name)?;
        let conffiles = self.status.conffiles(name);
        Some(PackageDetail {
            name: name.to_owned(),
            package: package.clone(),
            origin: self.status.origin(name),
            files: files::check(
                self.fs.as_ref(),
                name,
                &package.architecture,
                &conffiles,
                diversions,
            ),
        })
    }
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
        let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p2"));
        let facts = Database::read(&fs).unwrap().facts(&["b"], &[]);
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
        let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p2"));
        let facts = Database::read(&fs).unwrap().facts(&[], &["/etc/good"]);
        let states: Vec<_> = facts.details[0].files.iter().map(|f| f.state).collect();
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
    #[test]
    fn a_file_is_owned_under_either_name_and_found_where_it_was_diverted_to() {
        let dir = root("Package: x\nStatus: install ok installed\nVersion: 1\n");
        let db = dir.path().join("var/lib/dpkg");
        fs::write(
            db.join("info/x.list"),
            "/.\n/lib/systemd/system/x.service\n/usr/bin/tool\n",
        )
        .unwrap();
        fs::write(
            db.join("diversions"),
            "/usr/bin/tool\n/usr/bin/tool.distrib\nother\n",
        )
        .unwrap();
        for path in ["usr/lib/systemd/system", "usr/bin"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("usr/lib/systemd/system/x.service"), "").unwrap();
        fs::write(dir.path().join("usr/bin/tool.distrib"), "").unwrap();
        let root: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p2"));
        let path = "/usr/lib/systemd/system/x.service";
        let facts = Database::read(&root).unwrap().facts(&[], &[path]);
        let files = &facts.details[0].files;
        assert!(
            files.iter().all(|f| f.state == FileState::Intact),
            "{files:?}"
        );
        assert_eq!(
            files[1].location.path.as_deref(),
            Some("/usr/bin/tool.distrib")
        );
    }
}
