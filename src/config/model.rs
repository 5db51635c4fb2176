//! What the file may say. The JSON Schema for editors is made from these types.

use super::date::Date;
use crate::boot::accel::Choice;
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// isar-doctor's configuration, `.isar-doctor.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "isar-doctor configuration")]
pub struct Config {
    /// Names and goal to judge by: nixos-test, login, production, or a YAML file relative to this one.
    pub profile: Option<String>,
    /// Images that are inspected when none is given: files, directories or glob patterns, relative to this file.
    pub images: Vec<String>,
    /// Severity of single rules, by rule id.
    pub severities: BTreeMap<String, Level>,
    /// Findings that are known and accepted, each with its reason.
    pub suppressions: Vec<Suppression>,
    /// Directories with further rule files, relative to this file.
    pub rule_dirs: Vec<PathBuf>,
    /// Defaults of `boot`; its options win.
    pub boot: BootDefaults,
    /// Lowest severity that makes the exit code 1.
    pub fail_on: Option<FailOn>,
}

/// Severity of a rule in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The boot does not reach its goal.
    Error,
    /// Smells, or fails only sometimes.
    Warning,
    /// Shown with `--pedantic` only.
    Pedantic,
    /// The rule is not told at all.
    Off,
}

impl Level {
    /// The severity; none when the rule is off.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Level::Error => Some(Severity::Error),
            Level::Warning => Some(Severity::Warning),
            Level::Pedantic => Some(Severity::Pedantic),
            Level::Off => None,
        }
    }
}

/// A finding that is known and accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["rule", "reason"]))]
pub struct Suppression {
    /// Rule id.
    pub rule: String,
    /// Only in images that match this glob: a file name, or a path relative to this file when it has a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Only at places inside the image that match this glob: `/etc/fstab`, `p2:/usr/lib/*`, `p1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Why it is accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// Last day on which it holds, YYYY-MM-DD (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

/// Defaults of `boot`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BootDefaults {
    /// Guest memory in MiB.
    #[schemars(range(min = 1))]
    pub memory: Option<u64>,
    /// Number of vCPUs.
    #[schemars(range(min = 1, max = 256))]
    pub smp: Option<u32>,
    /// Longest time for the whole boot, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub timeout: Option<f64>,
    /// Quiet of the guest, in seconds, that ends a boot in which nothing is known to be pending.
    #[schemars(range(min = 0, max = 86400))]
    pub quiet_after: Option<f64>,
    /// Longest time to watch a guest whose shell has answered, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub settle: Option<f64>,
    /// Accelerator: `auto` tries KVM and falls back to emulation.
    pub accel: Option<Choice>,
    /// QEMU to use: a name, or a path relative to this file when it has a slash.
    pub qemu: Option<PathBuf>,
    /// OVMF code image, relative to this file.
    pub ovmf_code: Option<PathBuf>,
    /// OVMF variable store, relative to this file; a copy of it is used.
    pub ovmf_vars: Option<PathBuf>,
    /// Use firmware that enforces Secure Boot.
    pub secure_boot: Option<bool>,
}

/// Threshold of the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings too.
    Warning,
    /// Pedantic findings too.
    Pedantic,
    /// Findings never make the exit code 1.
    Never,
}

impl FailOn {
    /// Whether a finding of this severity makes the exit code 1.
    pub fn reached(self, severity: Severity) -> bool {
        match self {
            FailOn::Error => severity >= Severity::Error,
            FailOn::Warning => severity >= Severity::Warning,
            FailOn::Pedantic => true,
            FailOn::Never => false,
        }
    }
}
