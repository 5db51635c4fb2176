//! The printk ring buffer (kernel/printk/printk_ringbuffer.h, Linux ≥ 5.10).
//!
//! Three rings: descriptors (state and two positions in the text ring), infos (sequence number, time, level), text. A descriptor's
//! `state_var` holds its id and, in the two highest bits, its state. The kernel writes while we read, so a record counts only when its
//! descriptor says the same before and after its text was copied.

#[cfg(test)]
pub(crate) mod fake;
pub mod follow;
pub mod log;
mod offsets;
pub mod record;
pub mod ring;
#[cfg(test)]
mod tests;

pub use follow::{Follower, Poll, Status};
pub use log::{Log, Stats};
pub use record::Record;
pub use ring::{Found, Ring};

use super::vmcoreinfo::VmCoreInfo;

/// Why a kernel's log can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLog {
    /// No Linux kernel is in memory.
    #[error("no Linux kernel in guest memory")]
    NoKernel,
    /// There is a kernel, but no note.
    #[error(
        "{version} is in guest memory, but no vmcoreinfo note: the kernel was not past its early setup, or is built without CONFIG_VMCORE_INFO (CONFIG_CRASH_CORE before 6.9)"
    )]
    NoVmcoreinfo {
        /// The banner's first words.
        version: String,
    },
    /// The log buffer of old kernels.
    #[error("kernel {release} is too old: its log buffer (before 5.10) is not supported")]
    TooOld {
        /// `uname -r`.
        release: String,
    },
    /// The note lacks something.
    #[error("kernel {release}: its vmcoreinfo note lacks {missing}")]
    Incomplete {
        /// `uname -r`.
        release: String,
        /// A key, or the option that makes the kernel write it.
        missing: String,
    },
    /// The ring buffer is not where the note says, or makes no sense.
    #[error("kernel {release}: {why}")]
    Damaged {
        /// `uname -r`.
        release: String,
        /// What is wrong.
        why: String,
    },
}

impl NoLog {
    fn incomplete(info: &VmCoreInfo, missing: impl Into<String>) -> NoLog {
        NoLog::Incomplete {
            release: info.release().to_owned(),
            missing: missing.into(),
        }
    }

    fn damaged(info: &VmCoreInfo, why: impl Into<String>) -> NoLog {
        NoLog::Damaged {
            release: info.release().to_owned(),
            why: why.into(),
        }
    }
}
