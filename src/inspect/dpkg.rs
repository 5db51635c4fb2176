//! dpkg's database: status, file lists, md5sums.

use super::error::Fact;
use super::source::{Location, Origin};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

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
