//! Unified kernel images: a PE program with kernel, initrd and command line as sections (UAPI specification, systemd-stub).

mod addon;

use super::pe::{self, Image, Section};
use super::systemd_boot::assignments;
use super::{EntryFile, FoundFile, LoaderEntry, LoaderProblem};
use crate::inspect::error::Fact;
use crate::inspect::filesystem::{FileSystem, OpenFile};
use crate::inspect::source::{Location, Origin, SourceFile};
use std::sync::Arc;

/// Text sections are small; what lies beyond is not read.
const TEXT_CAP: u64 = 64 << 10;
/// `UNIFIED_PROFILES_MAX` of the stub.
const MAX_PROFILES: usize = 256;

/// The kernel's section: systemd's name, and that of EFI Boot Guard's stub.
pub const KERNEL_SECTIONS: [&str; 2] = [".linux", ".kernel"];

/// One menu entry of a UKI.
pub struct Profile {
    /// The entry.
    pub entry: LoaderEntry,
    /// `IMAGE_ID` or `ID` of the embedded os-release.
    pub sort_key: Option<String>,
    /// Version of the embedded os-release.
    pub version: Option<String>,
    /// 0 for the base profile.
    pub number: usize,
}

/// A UKI that is open, with the sections of one profile.
struct Unified<'a> {
    file: &'a dyn OpenFile,
    place: Location,
    base: &'a [Section],
    profile: &'a [Section],
}

impl Unified<'_> {
    /// A section of the profile, else of the base.
    fn section(&self, name: &str) -> Option<&Section> {
        let find = |all: &'_ [Section]| all.iter().position(|s| s.name == name);
        match find(self.profile) {
            Some(i) => self.profile.get(i),
            None => self.base.get(find(self.base)?),
        }
    }

    /// A text section as a file of its own, so that reports can quote it.
    fn text(&self, name: &str) -> Option<Arc<SourceFile>> {
        let section = self.section(name)?;
        let bytes = pe::section_bytes(self.file, &self.place, section, TEXT_CAP).ok()?;
        let path = self.place.path.as_deref().unwrap_or_default();
        Some(Arc::new(SourceFile {
            partition: self.place.partition.clone().unwrap_or_default(),
            path: format!("{path}[{name}]"),
            text: String::from_utf8_lossy(&bytes)
                .trim_end_matches('\0')
                .into(),
        }))
    }

    /// A section as the kernel or an initrd of an entry.
    fn part(&self, name: &str) -> Option<EntryFile> {
        let section = self.section(name)?;
        Some(EntryFile {
            path: self.place.path.clone().unwrap_or_default(),
            origin: None,
            file: Fact::Known(FoundFile {
                location: self.place.clone(),
                size: section.content_len(),
                section: Some(name.to_owned()),
                offset: section.offset,
            }),
        })
    }

    /// Sets kernel, initrds and, unless the entry has its own, the command line.
    fn fill(&self, entry: &mut LoaderEntry) {
        if let Some(mut kernel) = KERNEL_SECTIONS.iter().find_map(|name| self.part(name)) {
            kernel.origin = entry.linux.take().and_then(|linux| linux.origin);
            entry.linux = Some(kernel);
        }
        // The stub puts its microcode first and its own initrd behind one it was handed.
        if let Some(microcode) = self.part(".ucode") {
            entry.initrds.insert(0, microcode);
        }
        entry.initrds.extend(self.part(".initrd"));
        if entry.options.is_empty()
            && let Some(text) = self.text(".cmdline")
        {
            entry.options = mangle(&text.text);
            entry.options_origin = vec![Origin::line(&text, 1)];
        }
    }
}

/// Control characters become blanks and the ends are trimmed (`mangle_stub_cmdline`).
fn mangle(text: &str) -> String {
    let blank = |c: char| c <= ' ' || c == '\x7f';
    text.trim_matches(blank)
        .chars()
        .map(|c| if blank(c) { ' ' } else { c })
        .collect()
}

/// Whether the image carries a kernel.
pub fn is_uki(image: &Image) -> bool {
    KERNEL_SECTIONS
        .iter()
        .any(|name| image.section(name).is_some())
}

/// The sections before the first `.profile`, then those of each profile.
fn profiles(sections: &[Section]) -> (&[Section], Vec<&[Section]>) {
    let starts: Vec<usize> = (0..sections.len())
        .filter(|i| sections[*i].name == ".profile")
        .take(MAX_PROFILES)
        .collect();
    let Some(first) = starts.first() else {
        return (sections, vec![&[]]);
    };
    let ends = starts.iter().skip(1).copied().chain([sections.len()]);
    let parts = starts.iter().zip(ends).map(|(a, b)| &sections[*a..b]);
    (&sections[..*first], parts.collect())
}

/// The entries that systemd-boot makes of a file in `EFI/Linux`. One that it passes over has the reason in `skipped`.
pub fn entries(
    esp: &dyn FileSystem,
    path: &str,
    machine: u16,
    problems: &mut Vec<LoaderProblem>,
) -> Vec<Profile> {
    let name = super::file::base_name(path);
    let mut base = blank_entry(name);
    let skip = |mut entry: LoaderEntry, reason: String| {
        entry.skipped = Some(reason);
        vec![Profile {
            entry,
            sort_key: None,
            version: None,
            number: 0,
        }]
    };
    base.linux = Some(super::file::entry_file(esp, path, None));
    let (image, file) = match (pe::read(esp, path), esp.open_file(path)) {
        (Ok(image), Ok(file)) => (image, file),
        (Err(error), _) | (_, Err(error)) => return skip(base, error.to_string()),
    };
    if let Some(damage) = &image.facts.damage {
        return skip(base, damage.message.clone());
    }
    if image.machine != machine {
        return skip(
            base,
            format!("it is for architecture {}", image.facts.machine),
        );
    }
    let place = image.facts.location.clone();
    report(&image, &place, problems);
    let (common, parts) = profiles(&image.sections);
    let mut found = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let uki = Unified {
            file: file.as_ref(),
            place: place.clone(),
            base: common,
            profile: part,
        };
        if let Some(profile) = profile_entry(esp, &uki, name, number) {
            if number == 0 && profile.entry.options.is_empty() {
                problems.push(no_cmdline(&place));
            }
            found.push(profile);
        }
    }
    if found.is_empty() {
        return skip(base, "it has no .osrel section with a name".into());
    }
    found
}

fn profile_entry(
    esp: &dyn FileSystem,
    uki: &Unified<'_>,
    name: &str,
    number: usize,
) -> Option<Profile> {
    let osrel = uki.text(".osrel")?;
    let field = |text: &SourceFile, keys: &[&str]| {
        let value = |key: &&str| {
            let lines = assignments(&text.text).filter(|l| l.key == *key);
            lines.last().map(|l| l.value.to_owned())
        };
        keys.iter().find_map(value)
    };
    let title = field(&osrel, &["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"])?;
    let mut entry = blank_entry(name);
    let profile = uki.text(".profile");
    let profile_field = |key| profile.as_deref().and_then(|text| field(text, &[key]));
    let (profile_id, profile_title) = (profile_field("ID"), profile_field("TITLE"));
    if number > 0 {
        let suffix = profile_id.clone().unwrap_or_else(|| number.to_string());
        entry.id = format!("{}@{}", entry.id, suffix.to_ascii_lowercase());
    }
    let numbered = || format!("Profile #{}", number + 1);
    entry.title = Some(match profile_title {
        Some(extra) => format!("{title} ({extra})"),
        None if number > 0 => format!("{title} ({})", profile_id.unwrap_or_else(numbered)),
        None => title,
    });
    entry.origin = Some(Origin::whole(&osrel));
    uki.fill(&mut entry);
    addon::append(
        esp,
        uki.place.path.as_deref().unwrap_or_default(),
        &mut entry,
    );
    Some(Profile {
        entry,
        sort_key: field(&osrel, &["IMAGE_ID", "ID"]),
        version: field(
            &osrel,
            &["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"],
        ),
        number,
    })
}

/// When the program an entry names is a UKI, takes kernel, initrd and command line from its sections.
pub fn adopt(fs: &dyn FileSystem, entry: &mut LoaderEntry, problems: &mut Vec<LoaderProblem>) {
    let Some(location) = entry
        .linux
        .as_ref()
        .and_then(|linux| linux.file.known())
        .map(|found| found.location.clone())
    else {
        return;
    };
    let path = location.path.clone().unwrap_or_default();
    let (Ok(image), Ok(file)) = (pe::read(fs, &path), fs.open_file(&path)) else {
        return;
    };
    if !is_uki(&image) {
        return;
    }
    report(&image, &location, problems);
    let (base, parts) = profiles(&image.sections);
    let uki = Unified {
        file: file.as_ref(),
        place: location.clone(),
        base,
        profile: parts.first().copied().unwrap_or_default(),
    };
    uki.fill(entry);
    addon::append(fs, &path, entry);
    if entry.options.is_empty() {
        problems.push(no_cmdline(&location));
    }
}

/// Sections that overlap in memory: the firmware loads one over the other.
fn report(image: &Image, place: &Location, problems: &mut Vec<LoaderProblem>) {
    let mut sections: Vec<&Section> = image.sections.iter().filter(|s| s.memory > 0).collect();
    sections.sort_by_key(|s| s.address);
    for pair in sections.windows(2) {
        let [a, b] = pair else { continue };
        let end = a.address + a.memory;
        if end > b.address {
            problems.push(LoaderProblem {
                kind: "uki-overlap".into(),
                message: format!(
                    "section {} takes {:#x} to {end:#x} in memory and {} begins at {:#x}",
                    a.name, a.address, b.name, b.address
                ),
                origin: None,
                location: place.clone(),
            });
        }
    }
}

fn no_cmdline(place: &Location) -> LoaderProblem {
    LoaderProblem {
        kind: "uki-no-cmdline".into(),
        message: "the unified kernel image has no command line".into(),
        origin: None,
        location: place.clone(),
    }
}

/// An entry that is nothing yet but its id.
fn blank_entry(name: &str) -> LoaderEntry {
    LoaderEntry {
        id: name.to_ascii_lowercase(),
        title: None,
        origin: None,
        linux: None,
        initrds: Vec::new(),
        options: String::new(),
        options_origin: Vec::new(),
        tries: None,
        architecture: None,
        skipped: None,
    }
}

/// The image as the only entry: the firmware starts it itself.
pub fn as_loader(
    esp: &dyn FileSystem,
    path: &str,
    problems: &mut Vec<LoaderProblem>,
) -> LoaderEntry {
    let mut entry = blank_entry(super::file::base_name(path));
    entry.linux = Some(super::file::entry_file(esp, path, None));
    adopt(esp, &mut entry, problems);
    entry
}

#[cfg(test)]
mod tests;
