//! What is booted: an image, or what a start script starts.

use super::{BootArgs, stress};
use crate::boot::accel::{Accel, Choice};
use crate::boot::launch::Launch;
use crate::boot::launch_lint;
use crate::boot::outcome::{HostFacts, LaunchFinding};
use crate::boot::run_script::prepare::Script;
use crate::boot::setup::{self, MachineOptions, Prepared};
use crate::boot::trouble::BootError;
use std::path::{Path, PathBuf};

pub(super) enum Target {
    Image(Box<Prepared>),
    Script(Box<Script>),
}

impl Target {
    pub(super) fn prepare(args: &BootArgs) -> Result<Target, BootError> {
        if let Some(script) = &args.run_script {
            if !args.extra.is_empty() {
                return Err(BootError::Usage(
                    "arguments after `--` do not go with --run-script: the script decides"
                        .to_owned(),
                ));
            }
            let script =
                Script::prepare(script, args.qemu.as_deref(), args.accel, args.exact, None)?;
            return Ok(Target::Script(Box::new(script)));
        }
        let image = match &args.image {
            Some(image) => image.clone(),
            None => only_image(Path::new("."))?,
        };
        let options = MachineOptions {
            qemu: args.qemu.clone(),
            ovmf_code: args.ovmf_code.clone(),
            ovmf_vars: args.ovmf_vars.clone(),
            secure_boot: args.secure_boot,
            accel: args.accel,
            memory: args.memory,
            smp: if args.stress { 1 } else { args.smp },
            drive: args.stress.then_some(stress::DISK),
            exact: args.exact,
            extra: args.extra.clone(),
        };
        Ok(Target::Image(Box::new(setup::prepare(&image, options)?)))
    }

    pub(super) fn image(&self) -> &Path {
        match self {
            Target::Image(prepared) => &prepared.image,
            Target::Script(script) => &script.image,
        }
    }

    pub(super) fn accel(&self) -> Choice {
        match self {
            Target::Image(prepared) => prepared.options.accel,
            Target::Script(script) => script.accel,
        }
    }

    pub(super) fn host(&self) -> HostFacts {
        match self {
            Target::Image(prepared) => prepared.host.clone(),
            Target::Script(script) => script.host.clone(),
        }
    }

    /// The doctor's own arguments need no lint.
    pub(super) fn lint(&self, consoles: Option<Vec<String>>) -> Vec<LaunchFinding> {
        match self {
            Target::Image(_) => Vec::new(),
            Target::Script(script) => launch_lint::lint(&script.case(consoles)),
        }
    }

    pub(super) fn launch(&self, accel: Accel, dir: &Path) -> Result<Launch, BootError> {
        match self {
            Target::Image(prepared) => prepared.launch(accel, dir),
            Target::Script(script) => script.launch(accel, dir),
        }
    }
}

/// The only disk image of a directory.
fn only_image(directory: &Path) -> Result<PathBuf, BootError> {
    let mut images: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(|error| BootError::Usage(error.to_string()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "wic"))
        .collect();
    images.sort();
    match images.as_slice() {
        [image] => Ok(image.clone()),
        [] => Err(BootError::Usage(
            "no image given, and no *.wic file in this directory".to_owned(),
        )),
        several => Err(BootError::Usage(format!(
            "no image given, and {} *.wic files in this directory: name one",
            several.len()
        ))),
    }
}
