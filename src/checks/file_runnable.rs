//! Can the kernel execute what the backdoor unit starts?

use super::{Answer, Check, Context, Violation};
use crate::inspect::error::Fact;
use crate::inspect::exec::{Executable, Format};
use crate::inspect::source::Origin;
use crate::inspect::systemd::{Exec, LoadState};
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The file is there.
    Exists,
    /// It has an execute bit.
    Mode,
    /// Its interpreter, or its dynamic loader and libraries, are there, and it is a program at all.
    Interpreter,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRunnable {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for FileRunnable {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        known!(cx.facts.systemd);
        let Some(unit) = cx.unit().filter(|u| u.load == LoadState::Loaded) else {
            return Answer::NotApplicable;
        };
        let mut violations = Vec::new();
        for exec in unit.exec.iter().filter(|e| {
            matches!(e.directive.as_str(), "ExecStart" | "ExecStartPre") && !e.ignore_failure
        }) {
            match &exec.target {
                None => {}
                Some(Fact::Unreadable(error)) => return Answer::unreadable(error),
                Some(Fact::Absent) if self.aspect == Aspect::Exists => {
                    violations.push(Violation::at_line(
                        &exec.origin,
                        format!("{} does not exist in the image: 203/EXEC", exec.path),
                    ));
                }
                Some(Fact::Known(program)) => violations.extend(self.program(exec, program)),
                Some(Fact::Absent) => {}
            }
        }
        Answer::from_violations(violations)
    }
}

impl FileRunnable {
    fn program(&self, exec: &Exec, program: &Executable) -> Option<Violation> {
        match self.aspect {
            Aspect::Exists => None,
            Aspect::Mode => (!program.is_executable())
                .then(|| Violation::at_line(&exec.origin, format!("{} has mode {:04o}: nobody may execute it, so the start fails with 203/EXEC", program.location, program.mode))),
            Aspect::Interpreter => interpreter(exec, program),
        }
    }
}

fn interpreter(exec: &Exec, program: &Executable) -> Option<Violation> {
    let first_line = || program.text.as_ref().map(|text| Origin::line(text, 1));
    let at = |message: String| match first_line() {
        Some(origin) => Violation::at_line(&origin, message),
        None => Violation::at_line(&exec.origin, message),
    };
    match &program.format {
        Format::Empty => Some(at(format!(
            "{} is empty: the kernel cannot execute it",
            program.location
        ))),
        Format::Unknown => Some(at(format!(
            "{} is neither an ELF program nor a script with `#!`: the kernel cannot execute it",
            program.location
        ))),
        Format::Script { interpreter, .. } => {
            let found = program.interpreter.as_deref()?;
            if let Fact::Known(inner) = found {
                return (!inner.is_executable())
                    .then(|| at(format!("its interpreter {interpreter} may not be executed")));
            }
            matches!(found, Fact::Absent).then(|| {
                if interpreter.ends_with('\r') {
                    at("the first line ends with a carriage return (CRLF): the kernel looks for an interpreter whose name ends with it".into())
                } else {
                    at(format!("its interpreter {interpreter} does not exist in the image"))
                }
            })
        }
        Format::Elf {
            interpreter,
            missing_libraries,
            ..
        } => {
            if let (Some(name), Some(Fact::Absent)) = (interpreter, program.interpreter.as_deref())
            {
                return Some(at(format!(
                    "its dynamic loader {name} does not exist in the image"
                )));
            }
            (!missing_libraries.is_empty()).then(|| {
                at(format!(
                    "libraries it needs are not in the image: {}",
                    missing_libraries.join(", ")
                ))
            })
        }
    }
}
