//! The facts about the image's systemd, as other stages and reports read them.

use crate::inspect::error::{Error, Fact};
use crate::inspect::exec::Executable;
use crate::inspect::source::{Location, Origin, SourceFile};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Load state of a unit (`systemctl show -p LoadState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoadState {
    /// Loaded.
    Loaded,
    /// No unit file and no way to make one.
    NotFound,
    /// Symlink to /dev/null, empty file, or `systemd.mask=`.
    Masked,
    /// Loaded, and refused for what it says (no ExecStart, …).
    BadSetting,
    /// Could not be read.
    Error,
}

/// One effective `Key=value` after drop-ins and resets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// Section without brackets.
    pub section: String,
    /// Key.
    pub key: String,
    /// Value, continuation lines joined, specifiers expanded where systemd does.
    pub value: String,
    /// The line.
    pub origin: Origin,
}

/// Kind of a dependency, named as in unit files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub enum DependencyKind {
    Requires,
    Requisite,
    Wants,
    BindsTo,
    PartOf,
    Upholds,
    Conflicts,
    Before,
    After,
    OnFailure,
    OnSuccess,
    /// Socket, timer, path or automount → the unit it starts later.
    Triggers,
    /// Stopping this unit stops the other one.
    PropagatesStopTo,
    /// The slice the unit runs in.
    Slice,
}

impl DependencyKind {
    /// Starting the unit also starts the other one.
    pub fn pulls_in(self) -> bool {
        use DependencyKind::*;
        matches!(self, Requires | Wants | BindsTo | Upholds)
    }
}

/// Why a dependency is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "by", content = "at", rename_all = "kebab-case")]
pub enum Reason {
    /// A line of a unit file or drop-in; of fstab for what `fstab-generator` made of it.
    Line(Origin),
    /// A link in a `.wants`, `.requires` or `.upholds` directory.
    Link(Location),
    /// systemd adds it because of the unit's type or settings (systemd.unit(5), "Implicit Dependencies").
    Implicit,
    /// `DefaultDependencies=yes`.
    Default,
    /// A generator (`getty-generator`, `fstab-generator`, `debug-generator`).
    Generator(String),
    /// udev's `SYSTEMD_WANTS` (only once the device has appeared).
    Udev(Origin),
    /// A first-boot preset.
    Preset(Origin),
}

/// One edge of the unit graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dependency {
    /// Kind.
    pub kind: DependencyKind,
    /// The other unit.
    pub other: String,
    /// Why.
    pub reason: Reason,
}

/// A command of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exec {
    /// `ExecStartPre`, `ExecStart`, …
    pub directive: String,
    /// A leading `-`: failure is ignored.
    pub ignore_failure: bool,
    /// Special prefix characters as written (`-`, `@`, `:`, `+`, `!`; systemd.service(5), "Command lines").
    pub prefixes: String,
    /// Path of the program; a bare name is searched in systemd's fixed path when it runs.
    pub path: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// The line.
    pub origin: Origin,
    /// The program in the image; `None` when it was not looked at, because the unit has no part in this boot.
    pub target: Option<Fact<Executable>>,
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unit {
    /// Primary name.
    pub name: String,
    /// Other names (aliases).
    pub aliases: Vec<String>,
    /// Load state.
    pub load: LoadState,
    /// `systemctl list-unit-files` state: `enabled`, `disabled`, `static`, `masked`, `alias`, `indirect`, `generated`, …
    pub unit_file_state: String,
    /// What the presets say of the unit file (`systemctl list-unit-files`, column PRESET): `enabled`, `disabled`, `ignored`.
    pub preset: Option<String>,
    /// PID 1 loads the unit at boot, because something that it loads names it. Only such units have a say in the transaction.
    pub referenced: bool,
    /// Where the fragment lies, when there is one.
    pub fragment: Option<Location>,
    /// The fragment's text.
    #[serde(skip)]
    pub source: Option<Arc<SourceFile>>,
    /// Drop-ins in the order in which they apply.
    pub drop_ins: Vec<Location>,
    /// What makes it masked: the link or file, or the command line word.
    pub masked_by: Option<String>,
    /// The link or empty file that masks it.
    pub mask_location: Option<Location>,
    /// Effective settings.
    #[serde(skip)]
    pub settings: Vec<Setting>,
    /// Edges from this unit, its own and those that systemd adds.
    #[serde(skip)]
    pub dependencies: Vec<Dependency>,
    /// Commands (services only).
    pub exec: Vec<Exec>,
    /// Lines systemd would warn about or refuse.
    pub problems: Vec<UnitProblem>,
}

impl Unit {
    /// A device unit that no file and no other unit mentions.
    pub fn device(name: &str) -> Unit {
        Unit {
            name: name.to_owned(),
            aliases: Vec::new(),
            load: LoadState::Loaded,
            unit_file_state: String::new(),
            preset: None,
            referenced: false,
            fragment: None,
            source: None,
            drop_ins: Vec::new(),
            masked_by: None,
            mask_location: None,
            settings: Vec::new(),
            dependencies: Vec::new(),
            exec: Vec::new(),
            problems: Vec::new(),
        }
    }
    /// The effective values of a key, in order.
    pub fn values<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a Setting> {
        self.settings
            .iter()
            .filter(move |s| s.section == section && s.key == key)
    }
    /// The last (so the winning) value of a single-valued key.
    pub fn value(&self, section: &str, key: &str) -> Option<&Setting> {
        self.settings
            .iter()
            .rev()
            .find(|s| s.section == section && s.key == key)
    }
}

/// A line that systemd does not like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitProblem {
    /// What is wrong.
    pub message: String,
    /// The line.
    pub origin: Option<Origin>,
    /// The unit is refused because of it (`bad-setting`), not only warned about.
    pub fatal: bool,
}

/// A job of the initial transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Job {
    /// The unit.
    pub unit: String,
    /// Who pulls it in: unit and kind. Empty for the anchor.
    pub pulled_in_by: Vec<(String, DependencyKind)>,
    /// Its failure fails the anchor.
    pub required: bool,
}

/// An ordering cycle and what systemd deletes to break it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cycle {
    /// Units on the cycle, in order.
    pub units: Vec<String>,
    /// Units whose job systemd may delete to break the cycle: those that the anchor does not require. It takes the first
    /// it meets, and that depends on the order of a hash table, so on the boot. None: the transaction is refused.
    pub candidates: Vec<String>,
    /// The candidate that this model deletes; certain when it is the only one.
    pub deleted: Option<String>,
    /// The ordering edges of the cycle with their reasons.
    pub edges: Vec<(String, Dependency)>,
}

/// The jobs that the boot enqueues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Transaction {
    /// Unit that PID 1 starts: `default.target` resolved, or `systemd.unit=`/runlevel word of the command line.
    pub anchor: String,
    /// Why that one.
    pub anchor_reason: String,
    /// Start jobs by unit.
    #[serde(skip)]
    pub jobs: BTreeMap<String, Job>,
    /// Number of jobs.
    pub size: usize,
    /// Cycles found, in the order in which systemd breaks them.
    pub cycles: Vec<Cycle>,
    /// Units dropped because of a conflict or a missing requirement, with the reason.
    pub dropped: Vec<(String, String)>,
    /// The transaction cannot be built at all.
    pub refused: Option<String>,
    /// Who must finish before whom: unit → units that its job waits for (both have jobs here).
    #[serde(skip)]
    pub waits_for: BTreeMap<String, Vec<String>>,
}

/// A getty that would be started on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GettyFact {
    /// Terminal without `/dev/` (`hvc0`).
    pub tty: String,
    /// Unit (`serial-getty@hvc0.service`).
    pub unit: String,
    /// Who starts it: `getty-generator: virtualization console`, a link, a line.
    pub by: String,
    /// Where that stands, when it stands anywhere.
    pub location: Option<Location>,
    /// It will not start because it is masked; where.
    pub masked: Option<String>,
}

/// A file that looks like a unit, link or mask and lies where systemd never looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StrayUnit {
    /// Where it lies.
    pub location: Location,
    /// What it would have been: `unit`, `mask`, `wants-link`, `drop-in`.
    pub kind: String,
    /// Where it should lie.
    pub expected: String,
}

/// A generator (systemd.generator(7)) that PID 1 runs before it loads units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GeneratorFact {
    /// File name (`systemd-getty-generator`).
    pub name: String,
    /// Where it lies.
    pub location: Location,
    /// Switched off by a link to /dev/null, an empty file, or a missing x bit.
    pub masked: bool,
    /// isar-doctor knows what it would write; when not, units may exist at boot that are unknown here.
    pub modelled: bool,
}

/// systemd in the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SystemdFacts {
    /// Version from the package or the binary (`252.38-1~deb12u1`).
    pub version: Option<String>,
    /// Directories searched for system units, best first, that exist.
    pub load_path: Vec<String>,
    /// Units by primary name: all unit files, and every unit that the transaction or a dependency names.
    pub units: BTreeMap<String, Unit>,
    /// Alias → primary name.
    pub aliases: BTreeMap<String, String>,
    /// Every unit file, link and mask of the load path with its state, as `systemctl list-unit-files` prints them.
    #[serde(skip)]
    pub unit_files: BTreeMap<String, String>,
    /// The initial transaction.
    pub transaction: Transaction,
    /// Gettys that would start, masked ones included.
    pub gettys: Vec<GettyFact>,
    /// Unit-like files outside every unit path.
    pub stray: Vec<StrayUnit>,
    /// Generators.
    pub generators: Vec<GeneratorFact>,
    /// `/etc/machine-id` is absent or `uninitialized`: presets will be applied at this boot.
    pub first_boot: bool,
    /// What `systemd-firstboot --prompt-…` would ask for, because the image does not say it: `locale`, `timezone`, `root-password`, …
    pub firstboot_questions: Vec<String>,
    /// `ShowStatus=`, `LogTarget=`, … effective settings of `system.conf` and its drop-ins.
    pub manager: Vec<Setting>,
    /// Effective settings of `journald.conf` and its drop-ins.
    pub journald: Vec<Setting>,
    /// Files that could not be read.
    pub problems: Vec<Error>,
}

impl SystemdFacts {
    /// The unit with this name or alias.
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.units
            .get(name)
            .or_else(|| self.units.get(self.aliases.get(name)?))
    }
}
