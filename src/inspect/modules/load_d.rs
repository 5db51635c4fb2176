//! Modules that systemd-modules-load loads by name: `modules-load.d` and the command line (modules-load.d(5)).

use super::ModuleLine;
use super::modprobe_d::{files, underscores};
use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::source::Origin;

/// Directories by precedence.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// All modules named, those of the command line first, as the program loads them.
pub fn read(fs: &dyn FileSystem, cmdline: Option<&CmdlineFacts>) -> Vec<ModuleLine> {
    let mut found = cmdline.map_or_else(Vec::new, |c| from_cmdline(c, "modules_load"));
    for path in files(fs, &DIRECTORIES, &[".conf"]).values() {
        let Ok(source) = fs.read_source(path, CONFIG_CAP) else {
            continue;
        };
        for (line, number) in source.text.lines().zip(1u32..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            found.push(ModuleLine {
                module: underscores(line),
                argument: String::new(),
                origin: Some(Origin::line(&source, number)),
            });
        }
    }
    found
}

/// Modules in a `modules_load=a,b` word, with the word as argument.
pub fn from_cmdline(cmdline: &CmdlineFacts, key: &str) -> Vec<ModuleLine> {
    let words = cmdline.words_named(key);
    words
        .flat_map(|word| {
            let value = word.value.as_deref().unwrap_or_default();
            let names = value.split(',').filter(|n| !n.is_empty());
            names.map(move |name| ModuleLine {
                module: underscores(name),
                argument: format!("{}={value}", word.key),
                origin: None,
            })
        })
        .collect()
}
