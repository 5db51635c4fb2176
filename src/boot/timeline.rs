//! Typed observations of a boot, in the order of their times: what happened, never what it means.

use crate::stage::Stage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who saw it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The doctor itself (start, levers, timeouts).
    Doctor,
    /// QEMU's own messages and exit.
    Qemu,
    /// QMP events and status.
    Qmp,
    /// A serial port of the guest.
    Serial,
    /// The shell device.
    Shell,
    /// virtio device status and queues.
    Virtio,
    /// Reads of the image, mapped to files.
    Disk,
    /// Kernel log records from guest RAM.
    KernelLog,
    /// Journal messages from guest RAM.
    Journal,
    /// Idleness of vCPUs and disk.
    Idle,
    /// Answers of the guest's shell.
    Guest,
}

impl Source {
    /// Its id as in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Source::Doctor => "doctor",
            Source::Qemu => "qemu",
            Source::Qmp => "qmp",
            Source::Serial => "serial",
            Source::Shell => "shell",
            Source::Virtio => "virtio",
            Source::Disk => "disk",
            Source::KernelLog => "kernel-log",
            Source::Journal => "journal",
            Source::Idle => "idle",
            Source::Guest => "guest",
        }
    }
}

/// What was seen. Text is raw guest text: escape before printing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A note of the doctor.
    Note {
        /// Text.
        text: String,
    },
    /// QEMU was started.
    Started {
        /// QEMU's version.
        qemu: String,
        /// `kvm` or `tcg`.
        accel: String,
    },
    /// A line on stderr of QEMU.
    QemuMessage {
        /// Text.
        text: String,
    },
    /// QEMU is gone.
    QemuExit {
        /// Exit code, or none when killed by a signal.
        code: Option<i32>,
        /// Signal.
        signal: Option<i32>,
    },
    /// A QMP event (`RESET`, `SHUTDOWN`, `STOP`, `GUEST_PANICKED`, `VSERPORT_CHANGE`).
    Qmp {
        /// Name.
        name: String,
        /// Its data.
        data: serde_json::Value,
    },
    /// Run state of the VM changed.
    RunState {
        /// `running`, `internal-error`, `paused`, …
        state: String,
    },
    /// A complete line, or a partial one that stayed (a prompt), on a serial port.
    SerialLine {
        /// 0 = first `-serial`.
        port: u8,
        /// Line without escapes.
        text: String,
        /// True when no newline followed.
        partial: bool,
    },
    /// A line or prompt on the shell device before (or beside) the protocol.
    ShellLine {
        /// Line without escapes.
        text: String,
        /// True when no newline followed.
        partial: bool,
    },
    /// The magic line arrived.
    MagicLine {
        /// Bytes other than the magic line that came before it.
        noise: usize,
        /// The driver, which looks at each 1024-byte chunk alone, would have missed it.
        split: bool,
    },
    /// The shell answered a command by the driver's protocol.
    ShellAnswered {
        /// What was asked.
        command: String,
        /// Decoded output.
        output: String,
        /// Exit code.
        code: i32,
    },
    /// The shell did not answer as the protocol wants.
    ShellBroken {
        /// What was asked.
        command: String,
        /// What came instead.
        got: String,
    },
    /// A virtio device's status byte changed.
    VirtioStatus {
        /// QEMU device name (`virtio-serial`, `virtio-blk`).
        device: String,
        /// Status bits (virtio 1.2, 2.1).
        status: u8,
    },
    /// The guest's driver opened or closed the console port.
    PortOpen {
        /// QEMU id of the port.
        id: String,
        /// Open.
        open: bool,
    },
    /// The guest wrote to the console port (its transmit queue moved).
    PortWrites {
        /// Buffers written so far.
        buffers: u64,
        /// Bytes written so far, when QEMU tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    /// The guest read a file of the image.
    DiskRead {
        /// Partition (`p2`).
        partition: String,
        /// Path, or a description (`<inode table>`, `<directory>`).
        path: String,
        /// Bytes read of it so far.
        bytes: u64,
        /// Its last byte has been read: the loader or kernel has all of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    },
    /// The guest wrote to a file's place on the image (kept in the snapshot, never in the image).
    DiskWrite {
        /// Partition (`p2`).
        partition: String,
        /// Path, or a description.
        path: String,
    },
    /// A record of the kernel log.
    KernelLog {
        /// Guest time in seconds.
        guest: f64,
        /// Syslog level 0–7.
        level: u8,
        /// Text.
        text: String,
    },
    /// A journal entry.
    Journal {
        /// Guest monotonic time in seconds, when known.
        guest: Option<f64>,
        /// `PRIORITY=`.
        priority: Option<u8>,
        /// `_SYSTEMD_UNIT=` or `UNIT=`.
        unit: Option<String>,
        /// `SYSLOG_IDENTIFIER=` or `_COMM=`.
        identifier: Option<String>,
        /// `MESSAGE=`.
        text: String,
    },
    /// vCPUs and disk have been quiet for this long.
    Quiet {
        /// Seconds.
        seconds: f64,
    },
    /// A stage was reached, by which evidence.
    StageReached {
        /// Stage.
        stage: Stage,
        /// Evidence.
        evidence: String,
    },
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// Host seconds since QEMU was started.
    pub t: f64,
    /// Who saw it.
    pub source: Source,
    /// What was seen.
    #[serde(flatten)]
    pub event: Event,
}
