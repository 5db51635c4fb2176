//! `isar-doctor completions` and `isar-doctor man`: what a package installs beside the program.

use super::output::{Failure, write_out};
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const NAME: &str = "isar-doctor";

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor completions bash > ~/.local/share/bash-completion/completions/isar-doctor
  isar-doctor completions zsh > ~/.zfunc/_isar-doctor       (with ~/.zfunc in $fpath)
  isar-doctor completions fish > ~/.config/fish/completions/isar-doctor.fish")]
pub struct CompletionsArgs {
    /// Shell
    shell: Shell,
}

/// Prints the man page, or writes one for each subcommand.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor man | man -l -     read it
  isar-doctor man man1/          isar-doctor.1, isar-doctor-inspect.1, …")]
pub struct ManArgs {
    /// Directory for the pages; isar-doctor.1 goes to stdout when not given
    dir: Option<PathBuf>,
}

/// `completions`.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = match args.shell {
        Shell::Bash => one_name(&script),
        _ => script.into_owned(),
    };
    write_out(None, &script)?;
    Ok(ExitCode::SUCCESS)
}

/// A program with a hyphen in its name has two names in clap_complete's bash script, and so no options after a subcommand
/// (https://github.com/clap-rs/clap/issues/6421).
fn one_name(script: &str) -> String {
    let (wrong, right) = (NAME.replace('-', "__subcmd__"), NAME.replace('-', "__"));
    script.replace(&wrong, &right)
}

/// `man`.
pub fn man(args: &ManArgs, mut command: Command) -> Result<ExitCode, Failure> {
    command.build();
    let Some(dir) = &args.dir else {
        write_out(None, &page(&command, NAME)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(dir)
        .map_err(|e| Failure::usage(format!("cannot make {}: {e}", dir.display())))?;
    pages(dir, &command, NAME)?;
    Ok(ExitCode::SUCCESS)
}

/// A page for a command and for each of its subcommands.
fn pages(dir: &Path, command: &Command, name: &str) -> Result<(), Failure> {
    write_out(Some(&dir.join(format!("{name}.1"))), &page(command, name)?)?;
    for sub in command.get_subcommands() {
        if !sub.is_hide_set() && sub.get_name() != "help" {
            pages(dir, sub, &format!("{name}-{}", sub.get_name()))?;
        }
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .manual("isar-doctor")
        .render(&mut text)
        .map_err(Failure::internal)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
