//! The configuration's defaults of `boot`; what the command line says wins.

use super::BootArgs;
use crate::boot::arguments::take_memory;
use crate::cli::inspect::images::images;
use crate::cli::output::Failure;
use crate::cli::policy::{Asked, Policy};
use crate::config::Loaded;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The arguments with the configuration's defaults filled in, and how the image is judged.
pub fn configured(
    args: BootArgs,
    matches: Option<&ArgMatches>,
) -> Result<(BootArgs, Policy), Failure> {
    let loaded = args.config.load()?;
    let asked = Asked {
        profile: args.profile.clone(),
        ..Asked::default()
    };
    let policy = Policy::new(&asked, loaded.as_ref())?;
    let args = match loaded {
        Some(loaded) => filled(args, matches, &loaded)?,
        None => args,
    };
    Ok((args, policy))
}

fn filled(
    mut args: BootArgs,
    matches: Option<&ArgMatches>,
    loaded: &Loaded,
) -> Result<BootArgs, Failure> {
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
    fill(&mut args.accel, given("accel"), boot.accel);
    fill(&mut args.timeout, given("timeout"), seconds(boot.timeout));
    fill(&mut args.settle, given("settle"), seconds(boot.settle));
    let quiet_after = seconds(boot.quiet_after);
    fill(&mut args.quiet_after, given("quiet_after"), quiet_after);
    args.qemu = args.qemu.or_else(|| program(loaded, boot.qemu.as_ref()?));
    // A start script brings its own machine.
    if args.run_script.is_some() {
        return Ok(args);
    }
    fill(&mut args.memory, given("memory"), boot.memory);
    args.memory = take_memory(&mut args.extra).unwrap_or(args.memory);
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
        args.image = Some(only(loaded)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::accel::Choice;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        boot: BootArgs,
    }

    const CONFIG: &str = "profile: login\nimages: [only.wic]\nboot: {memory: 2048, smp: 3, timeout: 90, quiet-after: 2.5, accel: tcg, \
                          qemu: tools/qemu, ovmf-code: fw/code.fd, secure-boot: true}\n";

    fn parsed(dir: &Path, config: &str, arguments: &[&str]) -> Result<BootArgs, Failure> {
        let file = dir.join("c.yaml");
        std::fs::write(&file, config).unwrap();
        std::fs::write(dir.join("only.wic"), "").unwrap();
        let all = ["boot", "--config", file.to_str().unwrap()];
        let matches = Alone::command()
            .try_get_matches_from([&all, arguments].concat())
            .unwrap();
        let args = Alone::from_arg_matches(&matches).unwrap().boot;
        configured(args, Some(&matches)).map(|(args, policy)| {
            assert_eq!(policy.profile, "login");
            args
        })
    }

    #[test]
    fn the_configuration_fills_in_what_the_command_line_does_not_say() {
        let dir = tempfile::tempdir().unwrap();
        let args = parsed(dir.path(), CONFIG, &[]).unwrap();
        assert_eq!((args.memory, args.smp, args.secure_boot), (2048, 3, true));
        assert_eq!(args.timeout, Duration::from_secs(90));
        assert_eq!(args.quiet_after, Duration::from_millis(2500));
        assert_eq!(args.accel, Choice::Tcg);
        assert_eq!(args.qemu, Some(dir.path().join("tools/qemu")));
        assert_eq!(args.ovmf_code, Some(dir.path().join("fw/code.fd")));
        assert_eq!(args.image, Some(dir.path().join("only.wic")));
    }

    #[test]
    fn options_win_even_with_the_default_value() {
        let dir = tempfile::tempdir().unwrap();
        let options = ["--memory=1024", "--accel=auto", "--timeout=600", "x.wic"];
        let args = parsed(dir.path(), CONFIG, &options).unwrap();
        assert_eq!(args.memory, 1024);
        assert_eq!(args.accel, Choice::Auto);
        assert_eq!(args.timeout, Duration::from_secs(600));
        assert_eq!(args.image, Some(PathBuf::from("x.wic")));
    }

    #[test]
    fn a_start_script_keeps_its_machine_and_two_images_are_one_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let args = parsed(dir.path(), CONFIG, &["--run-script=run-x-vm"]).unwrap();
        assert_eq!(args.image, None);
        assert_eq!(args.memory, crate::boot::setup::DEFAULT_MEMORY);
        assert_eq!(args.timeout, Duration::from_secs(90));
        std::fs::write(dir.path().join("b.wic"), "").unwrap();
        let told = parsed(dir.path(), "profile: login\nimages: ['*.wic']\n", &[]).unwrap_err();
        assert!(told.to_string().ends_with("are 2: name one"), "{told}");
    }
}
