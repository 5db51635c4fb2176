//! Type #1 entries: `loader/entries/*.conf` (boot loader specification; `boot_entry_add_type1`).

use super::super::file::{self, base_name};
use super::super::{LoaderEntry, LoaderProblem, efi_suffix, uki};
use super::config::key_values;
use super::{Behaviour, Candidate};
use crate::inspect::error::Fact;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::source::{Location, Origin, SourceFile};
use std::sync::Arc;

/// More initrds or options lines than this are an attack.
const MAX_LINES: usize = 256;

/// Reads one file; none when the loader would not even look at it.
pub fn read(
    esp: &dyn FileSystem,
    path: &str,
    machine: u16,
    behaviour: Behaviour,
    problems: &mut Vec<LoaderProblem>,
) -> Option<Candidate> {
    let name = base_name(path);
    let id = id(name, behaviour)?;
    let source = match esp.read_source(path, CONFIG_CAP) {
        Ok(source) => source,
        Err(error) => {
            problems.push(LoaderProblem {
                kind: "file-unreadable".into(),
                message: format!("the entry cannot be read: {}", error.message),
                origin: None,
                location: Location::file(esp.partition(), path),
            });
            return None;
        }
    };
    let mut candidate = parse(esp, &source, &id, machine, behaviour);
    candidate.entry.tries = tries(name, ".conf");
    let entry = &mut candidate.entry;
    if entry.skipped.is_none() {
        let kernel = entry.linux.as_ref();
        match kernel.map(|linux| (&linux.path, &linux.file)) {
            None => entry.skipped = Some("it has no linux, efi or uki line".into()),
            Some((path, Fact::Absent)) => {
                entry.skipped = Some(format!("its kernel {path} is not there"));
            }
            Some((path, Fact::Unreadable(error))) => {
                entry.skipped = Some(format!("its kernel {path} cannot be opened: {error}"));
            }
            Some((_, Fact::Known(_))) => uki::adopt(esp, entry, problems),
        }
    }
    Some(candidate)
}

/// The id of a file that counts as an entry.
fn id(name: &str, behaviour: Behaviour) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if name.starts_with('.') || lower.starts_with("auto-") {
        return None;
    }
    let stem = lower.strip_suffix(".conf")?;
    Some(if behaviour.ids_keep_suffix {
        lower.clone()
    } else {
        stem.to_owned()
    })
}

fn parse(
    esp: &dyn FileSystem,
    source: &Arc<SourceFile>,
    id: &str,
    machine: u16,
    behaviour: Behaviour,
) -> Candidate {
    let mut candidate = Candidate {
        entry: LoaderEntry {
            id: id.to_owned(),
            title: None,
            origin: Some(Origin::whole(source)),
            linux: None,
            initrds: Vec::new(),
            options: String::new(),
            options_origin: Vec::new(),
            tries: None,
            architecture: None,
            skipped: None,
        },
        sort_key: None,
        machine_id: None,
        version: None,
        profile: 0,
        base_id: id.to_owned(),
    };
    let mut kernel_key = None;
    for line in key_values(&source.text) {
        let entry = &mut candidate.entry;
        let origin = Origin::line(source, line.number);
        let value = line.value.to_owned();
        match line.key {
            "title" => entry.title = Some(value),
            "sort-key" => candidate.sort_key = Some(value),
            "version" => candidate.version = Some(value),
            "machine-id" => candidate.machine_id = Some(value),
            "linux" | "efi" | "uki" => {
                if behaviour.one_kernel_line && kernel_key.is_some_and(|key| key != line.key) {
                    entry.skipped = Some("it has both a linux and an efi line".into());
                    break;
                }
                kernel_key = Some(line.key);
                entry.linux = Some(file::entry_file(esp, line.value, Some(origin)));
            }
            "initrd" if entry.initrds.len() < MAX_LINES => {
                entry
                    .initrds
                    .push(file::entry_file(esp, line.value, Some(origin)))
            }
            "options" if entry.options_origin.len() < MAX_LINES => {
                if !entry.options_origin.is_empty() {
                    entry.options.push(' ');
                }
                entry.options.push_str(line.value);
                entry.options_origin.push(origin);
            }
            "architecture" => {
                let own = efi_suffix(machine);
                if !own.is_some_and(|own| own.eq_ignore_ascii_case(line.value)) {
                    entry.skipped = Some(format!("it is for architecture {value}"));
                }
                entry.architecture = Some(value);
                if entry.skipped.is_some() {
                    break;
                }
            }
            _ => {}
        }
    }
    if kernel_key == Some("efi") {
        // Only a Linux kernel is handed the initrds.
        candidate.entry.initrds.clear();
    }
    candidate
}

/// The counters `+LEFT-DONE` at the end of a file name, before its suffix (`boot_entry_parse_tries`).
pub fn tries(name: &str, suffix: &str) -> Option<(u32, u32)> {
    let lower = name.to_ascii_lowercase();
    let counters = lower.strip_suffix(suffix)?.rsplit_once('+')?.1;
    let (left, done) = counters.split_once('-').unwrap_or((counters, "0"));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let value = text.parse::<u32>().ok()?;
        (digits && value <= i32::MAX as u32).then_some(value)
    };
    Some((number(left)?, number(done)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_end_of_the_name() {
        assert_eq!(tries("a+3.conf", ".conf"), Some((3, 0)));
        assert_eq!(tries("a+2-1.CONF", ".conf"), Some((2, 1)));
        assert_eq!(tries("a+0-3.efi", ".efi"), Some((0, 3)));
        for name in [
            "a.conf",
            "a+.conf",
            "a+x.conf",
            "a+1-.conf",
            "a+1-2-3.conf",
            "a+3.efi",
        ] {
            assert_eq!(tries(name, ".conf"), None, "{name}");
        }
        assert_eq!(tries("a+99999999999.conf", ".conf"), None);
    }

    #[test]
    fn ids_by_release() {
        let now = Behaviour::of(Some("252"));
        assert_eq!(id("Boot.CONF", now).unwrap(), "boot.conf");
        assert_eq!(id("Boot.conf", Behaviour::of(Some("241"))).unwrap(), "boot");
        assert_eq!(id("auto-x.conf", now), None);
        assert_eq!(id(".x.conf", now), None);
        assert_eq!(id("boot.txt", now), None);
    }
}
