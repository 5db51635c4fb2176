//! What the backdoor's script says: its redirections, its magic line, its terminal mode, its tools.

mod magic;
mod redirects;
pub mod streams;
mod terminal;
mod tools;
mod waits;

pub use waits::waits_for;

use super::{Answer, Check, Context};
use crate::inspect::error::Fact;
use crate::inspect::exec::{Executable, Format};
use crate::inspect::shell::{self, Command};
use crate::inspect::source::{Location, Origin, SourceFile};
use crate::inspect::systemd::{Exec, Unit};
use crate::or_answer;
use serde::Deserialize;
use std::sync::Arc;

/// Which aspect of the script is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Its standard streams go to the shell device, and not before the device exists.
    Redirects,
    /// It prints the magic line.
    PrintsMagic,
    /// It sets the terminal raw, without echo.
    SetsRaw,
    /// Its shell is not interactive.
    NotInteractive,
    /// It waits only for devices that the machine has.
    WaitsForExisting,
    /// The tools it needs are in the image.
    ToolsPresent,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptText {
    /// Which aspect.
    pub aspect: Aspect,
    /// Device names (without `/dev/`) that the machine has besides those of the test driver.
    #[serde(default)]
    pub devices: Vec<String>,
}

/// A shell script that the unit runs.
pub struct Script<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// Its text.
    pub text: String,
    /// Its commands.
    pub commands: Vec<Command>,
    source: Source<'a>,
}

enum Source<'a> {
    File(Arc<SourceFile>),
    /// The text is an argument on a line of the unit.
    Inline(&'a Origin),
}

impl Script<'_> {
    /// Where a line of the script stands.
    pub fn at(&self, line: u32) -> Origin {
        match &self.source {
            Source::File(file) => Origin::line(file, line),
            Source::Inline(origin) => (*origin).clone(),
        }
    }
    /// Where the whole of it stands.
    pub fn place(&self) -> Location {
        match &self.source {
            Source::File(file) => file.location(),
            Source::Inline(origin) => origin.location(),
        }
    }
}

/// Shells whose scripts can be read.
pub const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"];

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The script of the backdoor unit, or the answer when there is none to read.
pub fn script<'a>(cx: &Context<'a>) -> Result<Script<'a>, Answer> {
    let unit = cx.loaded_unit()?;
    let Some(exec) = unit.exec.iter().find(|e| e.directive == "ExecStart") else {
        return Err(Answer::NotApplicable);
    };
    if let Some(text) = inline(exec) {
        return Ok(Script {
            unit,
            commands: shell::parse(text),
            text: text.to_owned(),
            source: Source::Inline(&exec.origin),
        });
    }
    match &cx.facts.script {
        Fact::Known(program) => of_program(unit, exec, program),
        // That it is missing is another rule's business.
        other => Err(Answer::without(other)),
    }
}

/// The text in `sh -c 'text'`.
fn inline(exec: &Exec) -> Option<&str> {
    if !SHELLS.contains(&base_name(&exec.path)) {
        return None;
    }
    let at = exec
        .arguments
        .iter()
        .position(|a| a.starts_with('-') && !a.starts_with("--") && a.ends_with('c'))?;
    exec.arguments.get(at + 1).map(String::as_str)
}

fn of_program<'a>(unit: &'a Unit, exec: &Exec, program: &Executable) -> Result<Script<'a>, Answer> {
    let by_shell = SHELLS.contains(&base_name(&exec.path));
    let interpreter = match &program.format {
        Format::Script {
            interpreter,
            argument,
        } => {
            let name = base_name(interpreter.trim_end());
            let asked = argument.as_deref().unwrap_or_default().trim_end();
            let asked = asked.split_whitespace().find(|w| !w.starts_with('-'));
            if name == "env" {
                asked.unwrap_or(name)
            } else {
                name
            }
        }
        Format::Unknown if by_shell => "sh",
        Format::Elf { .. } => "a program",
        // The kernel cannot execute it: another rule's business.
        Format::Unknown | Format::Empty => return Err(Answer::NotApplicable),
    };
    let Some(text) = &program.text else {
        return Err(Answer::cannot_tell(
            "what the unit runs is no script that can be read",
            program.location.clone(),
        ));
    };
    if !SHELLS.contains(&base_name(interpreter)) && !by_shell {
        return Err(Answer::cannot_tell(
            format!("the script is for {interpreter}, and only shell scripts are read"),
            program.location.clone(),
        ));
    }
    let clean = text.text.replace('\r', "");
    Ok(Script {
        unit,
        commands: shell::parse(&clean),
        text: clean,
        source: Source::File(Arc::clone(text)),
    })
}

impl Check for ScriptText {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let script = or_answer!(script(cx));
        match self.aspect {
            Aspect::Redirects => redirects::judge(cx, &script),
            Aspect::PrintsMagic => magic::judge(cx, &script),
            Aspect::SetsRaw => terminal::sets_raw(&script),
            Aspect::NotInteractive => terminal::not_interactive(cx, &script),
            Aspect::WaitsForExisting => waits::judge(cx, &script, &self.devices),
            Aspect::ToolsPresent => tools::judge(cx, &script),
        }
    }
}

#[cfg(test)]
mod tests;
