//! The configuration's defaults of `boot`; what the command line says wins.

use super::BootArgs;
use crate::cli::inspect::images::images;
use crate::cli::output::Failure;
use crate::config::Loaded;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The arguments with the configuration's defaults filled in.
pub fn configured(mut args: BootArgs, matches: Option<&ArgMatches>) -> Result<BootArgs, Failure> {
    let Some(loaded) = args.config.load()? else {
        return Ok(args);
    };
    let given = |id: &str| {
        let source = matches.and_then(|m| m.value_source(id));
        source.is_some_and(|s| s != ValueSource::DefaultValue)
    };
    let boot = &loaded.config.boot;
    fn fill<T>(field: &mut T, given: bool, value: Option<T>) {
        if let (false, Some(value)) = (given, value) {
            *field = value;
        }
    }
    let seconds = |s: Option<f64>| s.and_then(|s| Duration::try_from_secs_f64(s).ok());
    fill(&mut args.profile, given("profile"), loaded.profile());
    fill(&mut args.accel, given("accel"), boot.accel);
    fill(&mut args.timeout, given("timeout"), seconds(boot.timeout));
    fill(&mut args.settle, given("settle"), seconds(boot.settle));
    let quiet_after = seconds(boot.quiet_after);
    fill(&mut args.quiet_after, given("quiet_after"), quiet_after);
    args.qemu = args.qemu.or_else(|| program(&loaded, boot.qemu.as_ref()?));
    // A start script brings its own machine.
    if args.run_script.is_some() {
        return Ok(args);
    }
    fill(&mut args.memory, given("memory"), boot.memory);
    fill(&mut args.smp, given("smp"), boot.smp);
    fill(
        &mut args.secure_boot,
        given("secure_boot"),
        boot.secure_boot,
    );
    let file = |path: &Option<PathBuf>| Some(loaded.resolve(path.as_ref()?));
    args.ovmf_code = args.ovmf_code.or_else(|| file(&boot.ovmf_code));
    args.ovmf_vars = args.ovmf_vars.or_else(|| file(&boot.ovmf_vars));
    if args.image.is_none() && !loaded.config.images.is_empty() {
        args.image = Some(only(&loaded)?);
    }
    Ok(args)
}

/// A name is looked for in PATH, a path from the configuration's directory.
fn program(loaded: &Loaded, qemu: &Path) -> Option<PathBuf> {
    Some(match qemu.components().count() {
        1 => qemu.to_owned(),
        _ => loaded.resolve(qemu),
    })
}

/// One machine is booted, so the configuration must mean one image.
fn only(loaded: &Loaded) -> Result<PathBuf, Failure> {
    match images(&loaded.images())?.as_slice() {
        [image] => Ok(image.clone()),
        several => Err(Failure::usage(format!(
            "no image given, and the `images` of {} are {}: name one",
            loaded.file.display(),
            several.len()
        ))),
    }
}
