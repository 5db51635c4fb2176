//! Addons: `*.addon.efi` beside a UKI or in `loader/addons`, whose `.cmdline` is appended (systemd-stub(7), since 254).

use super::super::LoaderEntry;
use super::super::file;
use super::super::pe;
use super::{TEXT_CAP, mangle};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::source::{Origin, SourceFile};
use std::sync::Arc;

/// More addons than this are an attack.
const MAX_ADDONS: usize = 64;

/// Appends the command lines of all addons that the stub of `path` would load: global ones first, each kind by name.
pub fn append(esp: &dyn FileSystem, path: &str, entry: &mut LoaderEntry) {
    for dir in ["/loader/addons".to_owned(), format!("{path}.extra.d")] {
        for addon in file::list(esp, &dir).iter().take(MAX_ADDONS) {
            if !addon.to_ascii_lowercase().ends_with(".addon.efi") {
                continue;
            }
            if let Some(source) = cmdline(esp, addon) {
                if !entry.options.is_empty() {
                    entry.options.push(' ');
                }
                entry.options.push_str(&mangle(&source.text));
                entry.options_origin.push(Origin::line(&source, 1));
            }
        }
    }
}

fn cmdline(esp: &dyn FileSystem, path: &str) -> Option<Arc<SourceFile>> {
    let image = pe::read(esp, path).ok()?;
    let section = image.section(".cmdline")?;
    let file = esp.open_file(path).ok()?;
    let bytes = pe::section_bytes(file.as_ref(), &image.facts.location, section, TEXT_CAP).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\0');
    (!mangle(text).is_empty()).then(|| {
        Arc::new(SourceFile {
            partition: esp.partition().to_owned(),
            path: format!("{path}[.cmdline]"),
            text: text.to_owned(),
        })
    })
}
