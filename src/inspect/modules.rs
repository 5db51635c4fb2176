//! Kernel modules as `modprobe` and udev would find them for the kernel that boots.

use super::error::{Error, Fact};
use super::source::{Location, Origin};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A line of `modprobe.d`, `modules-load.d` or the command line that concerns a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModuleLine {
    /// Module or alias, underscores.
    pub module: String,
    /// The rest of the line (`install` command, `options`).
    pub argument: String,
    /// Where it stands; none when it came from the command line.
    pub origin: Option<Origin>,
}

/// How one module that matters would get into the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModuleState {
    /// Name with underscores.
    pub name: String,
    /// In `modules.builtin` (or `CONFIG_…=y`).
    pub builtin: bool,
    /// The `.ko` file on the root file system.
    pub file: Fact<Location>,
    /// `vermagic` of the file, first word = release.
    pub vermagic: Fact<String>,
    /// The file ends with an appended signature; none when it was not read.
    pub signed: Option<bool>,
    /// Damage of the `.ko` (not an ELF, truncated, cannot be decompressed).
    pub damage: Option<Error>,
    /// Listed in `modules.dep`.
    pub in_dep: bool,
    /// An alias in `modules.alias` matches the device's modalias, so udev loads it.
    pub in_alias: bool,
    /// Files it depends on, in load order, from `modules.dep`.
    pub dependencies: Vec<String>,
    /// Dependencies whose file is missing.
    pub missing_dependencies: Vec<String>,
    /// Is in the initrd.
    pub in_initrd: bool,
    /// The initrd also loads it: by coldplug (its alias and udev are inside) or by name.
    pub loaded_in_initrd: bool,
    /// `blacklist` lines for it (udev honours them, `modprobe NAME` and modules-load.d do not).
    pub blacklisted: Vec<ModuleLine>,
    /// `module_blacklist=` (kernel: never loads) or `modprobe.blacklist=` words.
    pub cmdline_blacklist: Vec<String>,
    /// `install` lines for it.
    pub install: Vec<ModuleLine>,
    /// `modules-load.d` lines and `modules_load=`/`rd.modules_load=` words that load it by name.
    pub loads: Vec<ModuleLine>,
}

/// Modules of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModuleFacts {
    /// Release of the kernel that boots, and whose directory was read.
    pub release: Option<String>,
    /// Releases under `/lib/modules`.
    pub releases: Vec<String>,
    /// The directory of `release` exists.
    pub present: bool,
    /// Number of `.ko*` files.
    pub files: usize,
    /// Built-in module names.
    #[serde(skip)]
    pub builtin: BTreeSet<String>,
    /// Module name → path below `/lib/modules/<release>`.
    #[serde(skip)]
    pub index: BTreeMap<String, String>,
    /// Trouble with modules.dep, modules.alias or their `.bin` twins: missing, stale, disagreeing.
    pub index_problems: Vec<Error>,
    /// The modules that the profile and the root device need, by name.
    pub states: BTreeMap<String, ModuleState>,
}

/// Endings of module files that kmod knows.
const SUFFIXES: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// The module name of a file path: base name without its ending, underscores for dashes; none when it is no module.
pub fn name_of_path(path: &str) -> Option<String> {
    let base = path.rsplit('/').next()?;
    let stem = SUFFIXES.iter().find_map(|end| base.strip_suffix(end))?;
    (!stem.is_empty()).then(|| stem.replace('-', "_"))
}
