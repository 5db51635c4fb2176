//! `/var/lib/dpkg/status`, stanza by stanza: one malformed stanza must not hide the others.

use super::Package;
use crate::inspect::error::{Error, Result};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::source::{Origin, SourceFile};
use deb822_fast::Deb822;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const STATUS: &str = "/var/lib/dpkg/status";
/// A status file of 100 MiB would be some 60 000 packages.
const STATUS_CAP: u64 = 100 << 20;

/// The packages of the status file, with the place of each stanza.
pub struct Status {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Packages by name; a name that occurs for several architectures keeps the plain name for the first.
    pub packages: BTreeMap<String, Package>,
    /// Stanzas that could not be parsed.
    pub problems: Vec<Error>,
    stanzas: BTreeMap<String, (u32, std::ops::Range<usize>)>,
}

impl Status {
    /// Reads and parses the file.
    pub fn read(fs: &dyn FileSystem) -> Result<Status> {
        let file = fs.read_source(STATUS, STATUS_CAP)?;
        let mut status = Status {
            packages: BTreeMap::new(),
            problems: Vec::new(),
            stanzas: BTreeMap::new(),
            file: Arc::clone(&file),
        };
        for (line, range) in stanzas(&file.text) {
            match package(&file.text[range.clone()]) {
                Ok((name, package)) => status.add(name, package, line, range),
                Err(message) => status
                    .problems
                    .push(Error::corrupt(file.location().at_line(line), message)),
            }
        }
        Ok(status)
    }

    fn add(&mut self, name: String, package: Package, line: u32, range: std::ops::Range<usize>) {
        let name = if self.packages.contains_key(&name) {
            format!("{name}:{}", package.architecture)
        } else {
            name
        };
        self.stanzas.insert(name.clone(), (line, range));
        self.packages.insert(name, package);
    }

    /// The first line of a package's stanza.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        let (line, _) = self.stanzas.get(name)?;
        Some(Origin::line(&self.file, *line))
    }

    /// Paths of a package's `Conffiles:` field.
    pub fn conffiles(&self, name: &str) -> BTreeSet<&str> {
        let stanza = self
            .stanzas
            .get(name)
            .and_then(|(_, range)| self.file.text.get(range.clone()))
            .unwrap_or_default();
        stanza
            .lines()
            .skip_while(|l| !l.starts_with("Conffiles:"))
            .skip(1)
            .take_while(|l| l.starts_with(' '))
            .filter_map(|l| l.split_whitespace().next())
            .collect()
    }
}

/// Byte ranges of the stanzas with the 1-based line on which each begins.
fn stanzas(text: &str) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> {
    let mut line = 1u32;
    let mut at = 0;
    text.split("\n\n").filter_map(move |stanza| {
        let skipped = stanza.len() - stanza.trim_start_matches('\n').len();
        let start = line + skipped as u32;
        let range = at + skipped..at + stanza.len();
        line += stanza.matches('\n').count() as u32 + 2;
        at += stanza.len() + 2;
        (!stanza.trim().is_empty()).then_some((start, range))
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
