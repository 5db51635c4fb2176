//! Kernel modules as `modprobe` and udev would find them for the kernel that boots.

pub mod index;
pub mod load_d;
pub mod modprobe_d;
pub mod object;
pub mod probe;
mod state;
pub mod tree;

use super::cmdline::CmdlineFacts;
use super::error::{Error, Fact, Result};
use super::filesystem::{FileKind, FileSystem};
use super::initrd::InitrdFacts;
use super::source::{Location, Origin};
use schemars::JsonSchema;
use serde::Serialize;
use state::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tree::Tree;

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
    /// Listed in `modules.dep.bin`, which is what modprobe reads.
    pub in_dep: bool,
    /// Looking the device's modalias up gives this module, so udev loads it. Without a modalias the same as `in_dep`.
    pub in_alias: bool,
    /// Files it depends on, in load order, from `modules.dep`.
    pub dependencies: Vec<String>,
    /// Dependencies whose file is missing.
    pub missing_dependencies: Vec<String>,
    /// Is in the initrd.
    pub in_initrd: bool,
    /// The initrd also loads it: by coldplug (its alias and udev are inside) or by name.
    pub loaded_in_initrd: bool,
    /// `blacklist` lines for it. udev and systemd-modules-load honour them, `modprobe NAME` does not.
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

/// Reads the modules of the kernel `release`, and looks closer at the `wanted` ones: name and, for a driver, the
/// modalias of its device.
pub fn read(
    rootfs: &Arc<dyn FileSystem>,
    release: Option<&str>,
    initrd: &Fact<InitrdFacts>,
    cmdline: &Fact<CmdlineFacts>,
    wanted: &[(&str, Option<&str>)],
) -> Fact<ModuleFacts> {
    Fact::from_result(read_facts(
        rootfs.as_ref(),
        release,
        initrd.known(),
        cmdline.known(),
        wanted,
    ))
}

fn read_facts(
    fs: &dyn FileSystem,
    release: Option<&str>,
    initrd: Option<&InitrdFacts>,
    cmdline: Option<&CmdlineFacts>,
    wanted: &[(&str, Option<&str>)],
) -> Result<ModuleFacts> {
    let releases = releases(fs);
    // A release with a slash in it would lead elsewhere.
    let path = release
        .filter(|r| !r.contains('/') && !r.starts_with('.'))
        .map(|r| format!("/lib/modules/{r}"));
    let tree = match path.as_deref().map(|path| Tree::read(fs, path)) {
        Some(Ok(tree)) => Some(tree),
        Some(Err(error)) if error.kind != super::error::ErrorKind::NotFound => return Err(error),
        _ => None,
    };
    let reader = Reader::new(fs, tree.as_ref(), release, initrd, cmdline);
    let states = wanted.iter().map(|(name, modalias)| {
        let state = reader.state(&name.replace('-', "_"), *modalias);
        (state.name.clone(), state)
    });
    let states = states.collect();
    let index = tree
        .iter()
        .flat_map(|t| t.dependencies.keys().map(move |n| (t, n)));
    let index = index.filter_map(|(t, n)| Some((n.clone(), t.indexed_path(n)?.to_owned())));
    let index = index.collect();
    Ok(ModuleFacts {
        release: release.map(str::to_owned),
        releases,
        present: tree.is_some(),
        files: tree.as_ref().map_or(0, |t| t.files.len()),
        builtin: tree.as_ref().map(|t| t.builtin.clone()).unwrap_or_default(),
        index,
        index_problems: tree.map(|t| t.problems).unwrap_or_default(),
        states,
    })
}

/// Directories below `/lib/modules`.
fn releases(fs: &dyn FileSystem) -> Vec<String> {
    let entries = fs.read_dir("/lib/modules").unwrap_or_default();
    let directories = entries
        .into_iter()
        .filter(|e| e.kind == FileKind::Directory);
    directories.map(|e| e.name).collect()
}

#[cfg(test)]
mod tests;
