//! systemd-boot: `loader.conf`, Type #1 and Type #2 entries, and its choice (`src/boot/boot.c`, boot loader specification).

mod config;

mod entry;
mod order;

pub use config::assignments;

use super::file;

use super::{LoaderEntry, LoaderFacts, LoaderKind, LoaderProblem, uki};
use crate::inspect::error::Fact;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::source::Origin;

/// More entries than this are not read; the loader itself stops at `INT16_MAX`.
const MAX_ENTRIES: usize = 1024;

/// What differs between releases of the loader.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// 245: an entry's id is its file name with `.conf`, before without.
    pub ids_keep_suffix: bool,
    /// 251: the newest entry comes first, sort keys count, `timeout` knows words.
    pub newest_first: bool,
    /// 258: an entry with two kinds of kernel lines is bad; before, the last line counted.
    pub one_kernel_line: bool,
}

impl Behaviour {
    /// The behaviour of a release; an unknown one behaves as today's.
    pub fn of(version: Option<&str>) -> Behaviour {
        let major = version.map_or(u32::MAX, |v| {
            let digits: String = v.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(u32::MAX)
        });
        Behaviour {
            ids_keep_suffix: major >= 245,
            newest_first: major >= 251,
            one_kernel_line: major >= 258,
        }
    }
}

/// An entry with what it is sorted by.
#[derive(Debug, Clone)]
struct Candidate {
    entry: LoaderEntry,
    sort_key: Option<String>,
    machine_id: Option<String>,
    version: Option<String>,
    /// Number of the profile inside a multi-profile UKI.
    profile: usize,
    /// Id that the profiles of one UKI share.
    base_id: String,
}

/// Reads configuration and entries as this loader would. `machine` is the PE machine of its architecture.
pub fn read(esp: &dyn FileSystem, machine: u16, version: Option<String>) -> LoaderFacts {
    let behaviour = Behaviour::of(version.as_deref());
    let conf = file::resolve(esp, "/loader/loader.conf")
        .and_then(|path| esp.read_source(&path, CONFIG_CAP));
    let settings = conf
        .as_ref()
        .map(|file| config::parse(file, behaviour))
        .unwrap_or_default();

    let mut problems = Vec::new();
    let mut candidates = Vec::new();
    for path in file::list(esp, "/EFI/Linux").iter().take(MAX_ENTRIES) {
        candidates.extend(type2(esp, path, machine, &mut problems));
    }
    let type1 = file::list(esp, "/loader/entries");
    for path in type1.iter().take(MAX_ENTRIES) {
        if let Some(candidate) = entry::read(esp, path, machine, behaviour, &mut problems) {
            candidates.push(candidate);
        }
    }
    candidates.sort_by(|a, b| order::compare(a, b, behaviour));
    // Stable: what the loader skips goes behind the menu, in the same order.
    candidates.sort_by_key(|c| c.entry.skipped.is_some());

    let entries: Vec<LoaderEntry> = candidates.into_iter().map(|c| c.entry).collect();
    let (selected, default_matches) = order::select(&entries, settings.pattern(), behaviour);
    LoaderFacts {
        kind: LoaderKind::SystemdBoot,
        version,
        chain: Vec::new(),
        config: Fact::from_result(conf.map(|file| Origin::whole(&file))),
        default: settings.default,
        default_matches,
        timeout: settings.timeout.as_ref().and_then(|(seconds, _)| *seconds),
        timeout_origin: settings.timeout.map(|(_, origin)| origin),
        entries,
        selected,
        problems,
    }
}

/// The entries of one file in `EFI/Linux`: one for each profile.
fn type2(
    esp: &dyn FileSystem,
    path: &str,
    machine: u16,
    problems: &mut Vec<LoaderProblem>,
) -> Vec<Candidate> {
    let name = file::base_name(path);
    let lower = name.to_ascii_lowercase();
    if name.starts_with('.') || !lower.ends_with(".efi") || lower.starts_with("auto-") {
        return Vec::new();
    }
    let profiles = uki::entries(esp, path, machine, problems);
    profiles
        .into_iter()
        .map(|profile| {
            let mut entry = profile.entry;
            entry.tries = entry::tries(name, ".efi");
            Candidate {
                entry,
                sort_key: profile.sort_key,
                machine_id: None,
                version: profile.version,
                profile: profile.number,
                base_id: lower.clone(),
            }
        })
        .collect()
}
