//! The command line: one file per subcommand.

pub mod boot;
pub mod config;
pub mod diff;
pub mod dmesg;
pub mod generate;
pub mod host;
pub mod inspect;
pub mod log;
pub mod output;
pub mod policy;
pub mod replay;
pub mod rules;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Says why a Debian image built with ISAR does not come up: first from the image file alone, then from a traced boot.
#[derive(Debug, Parser)]
#[command(
    name = "isar-doctor",
    version,
    about,
    after_help = "\
Start with
  isar-doctor inspect image.wic          what is wrong, from the file alone
  isar-doctor boot --trace image.wic     where the boot stops, and why

Exit codes: 0 healthy; 1 findings, or the boot did not reach the shell; 2 wrong usage; 3 the image could not be judged; 4 the host could not boot it."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lint images offline
    Inspect(Box<inspect::InspectArgs>),
    /// Boot an image and say where it stopped
    Boot(Box<boot::BootArgs>),
    /// Say what changed between a working and a failing image
    Diff(Box<diff::DiffArgs>),
    /// List the rules, or check rule files
    Rules(rules::RulesArgs),
    /// Explain a rule: why, what you will see, how to fix it
    Explain(rules::ExplainArgs),
    /// Check the configuration file, or print its schema
    Config(config::ConfigArgs),
    /// Judge a saved console or test-driver log
    Log(Box<log::LogArgs>),
    /// Print the kernel log in a dump of guest memory
    Dmesg(dmesg::DmesgArgs),
    /// Judge a recorded boot again, without QEMU
    Replay(replay::ReplayArgs),
    /// Tell whether this host can boot images, and how fast
    Host(host::HostArgs),
    /// Print a completion script for a shell
    Completions(generate::CompletionsArgs),
    /// Print the man page, or write all of them into a directory
    Man(generate::ManArgs),
}

/// Parses the arguments, runs the subcommand, and gives the exit code.
pub fn run() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Boot(args) => match boot::configured(*args, matches.subcommand_matches("boot")) {
            Ok((args, policy)) => return boot::run(&args, &policy),
            Err(failure) => Err(failure),
        },
        Command::Replay(args) => return replay::run(&args),
        Command::Host(args) => return host::run(&args),
        Command::Inspect(args) => inspect::execute(&args),
        Command::Diff(args) => diff::execute(&args),
        Command::Log(args) => log::execute(&args),
        Command::Dmesg(args) => dmesg::execute(&args),
        Command::Completions(args) => generate::completions(&args, Cli::command()),
        Command::Man(args) => generate::man(&args, Cli::command()),
        Command::Config(args) => config::execute(&args),
        Command::Rules(args) => rules::list(&args),
        Command::Explain(args) => rules::explain(&args),
    };
    result.unwrap_or_else(|failure| failure.report())
}
