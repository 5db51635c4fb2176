//! What a boot leaves behind for the verdict and the report.

use super::names::Names;
use super::stages::Stages;
use super::timeline::Observation;
use crate::critical_point::CriticalPoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why the doctor stopped watching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Ended {
    /// The shell was reached, asked, and the guest had settled (or `--settle` was over).
    Finished,
    /// Evidence that the boot will not succeed.
    Conclusive {
        /// The evidence.
        evidence: String,
    },
    /// Neither vCPUs nor disk nor any channel moved any more.
    Quiet {
        /// For how long, in seconds.
        seconds: f64,
    },
    /// vCPUs ran, but nothing else happened.
    Spinning {
        /// For how long, in seconds.
        seconds: f64,
    },
    /// The host could not even start it.
    NotStarted {
        /// What is wrong.
        what: String,
    },
    /// QEMU ended by itself.
    MachineGone,
    /// `--timeout` was over.
    Timeout {
        /// Seconds.
        seconds: f64,
    },
    /// There was no boot: a saved log was read to its end.
    LogEnds,
    /// The user stopped it.
    Interrupted {
        /// Signal number.
        signal: i32,
    },
}

/// A firmware image in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirmwareFact {
    /// Read-only code.
    pub code: String,
    /// Template of the variable store.
    pub vars: Option<String>,
    /// Where it was found: `option`, `qemu-descriptor`, a distribution's directory.
    pub found_by: String,
}

/// What was found on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// Path of QEMU.
    pub qemu: Option<String>,
    /// Its version (`7.2.22`).
    pub qemu_version: Option<String>,
    /// Firmware.
    pub firmware: Option<FirmwareFact>,
    /// `kvm` or `tcg`: what the guest finally ran with.
    pub accel: Option<String>,
    /// Why KVM was not used, when it was not.
    pub kvm_trouble: Option<String>,
    /// CPUs that this process may use.
    pub cpus: u32,
    /// Memory available, in MiB.
    pub memory_available: u64,
}

/// Something wrong (or risky) with the QEMU arguments of a start script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchFinding {
    /// Rule id (`serial-null-first`).
    pub rule: String,
    /// `error` or `warning`.
    pub severity: String,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// What is wrong.
    pub message: String,
    /// The argument (or arguments) concerned, as written.
    pub argument: String,
    /// What to do.
    pub fix: String,
}

/// A finished boot: all that was seen, nothing judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The image booted, as given or as the start script names it.
    pub image: Option<String>,
    /// Host.
    pub host: HostFacts,
    /// QEMU's argument vector.
    pub command: Vec<String>,
    /// Arguments and devices that neither the user's script nor the test driver has.
    pub added_by_doctor: Vec<String>,
    /// What the observer could not see, and why: a blind channel is not a stuck guest.
    pub blind: Vec<String>,
    /// Names that guided the stage machine.
    pub names: Names,
    /// Everything seen, by time.
    pub timeline: Vec<Observation>,
    /// Stages reached.
    pub stages: Stages,
    /// Why the watching ended.
    pub ended: Ended,
    /// Lint of the QEMU arguments (run-script mode).
    pub launch_findings: Vec<LaunchFinding>,
}
