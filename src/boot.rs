//! Boots an image under QEMU and observes it: machine → observations → timeline. Never judges.

pub mod accel;
pub mod arguments;
pub mod blind;
pub mod channel;
pub mod describe;
pub mod ending;
pub mod engine;
pub mod expect;
pub mod file_map;
pub mod firmware;
pub mod image;
pub mod interview;
pub mod jobs;
pub mod keeper;
pub mod launch;
pub mod launch_lint;
pub mod machine;
pub mod memory;
pub mod names;
pub mod observe;
pub mod outcome;
pub mod probe;
pub mod protocol;
pub mod qemu;
pub mod qmp;
pub mod record;
pub mod run_script;
pub mod saved_log;
pub mod setup;
pub mod signals;
pub mod stages;
pub mod timeline;
pub mod trace;
pub mod trouble;
pub mod vm;
pub mod wiring;

use std::path::PathBuf;

/// Files of the Nix store that match a pattern, newest first.
fn nix_store(pattern: &str) -> Vec<PathBuf> {
    let Ok(paths) = glob::glob(&format!("/nix/store/{pattern}")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = paths.flatten().collect();
    found.sort_by_key(|path| path.metadata().and_then(|m| m.modified()).ok());
    found.reverse();
    found
}
