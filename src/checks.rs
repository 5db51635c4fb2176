//! Judges facts: one generic check per file, parameterised by rules. Never reads an image.

mod answer;
mod context;
mod finding;
mod machine;
#[cfg(test)]
pub(crate) mod testing;
mod violation;

pub mod baseline;
pub mod cmdline_console;
pub mod condition;
pub mod device_race;
pub mod esp;
pub mod file_runnable;
pub mod fingerprint;
pub mod foreseen;
pub mod fstab_devices;
pub mod getty;
pub mod init;
pub mod initrd_image;
pub mod kernel_image;
pub mod loader_entry;
pub mod module_available;
pub mod package_intact;
pub mod package_state;
pub mod partition_table;
pub mod points;
pub mod production;
pub mod registry;
pub mod root_resolves;
pub mod run;
pub mod script_text;
pub mod silence;
pub mod transaction;
pub mod unit_directive;
pub mod unit_enabled;
pub mod unit_prerequisites;
pub mod unit_sandbox;
pub mod unit_state;
pub mod unit_waits;

pub use answer::Answer;
pub use context::Context;
pub use machine::{Machine, Presence};
pub use violation::{Confidence, Evidence, Violation};

/// A generic check with its parameters set.
pub trait Check: Send + Sync {
    /// Judges one image.
    fn judge(&self, cx: &Context<'_>) -> Answer;
}
