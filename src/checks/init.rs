//! PID 1 can be executed.

use super::{Answer, Check, Context, Violation};
use crate::inspect::error::Fact;
use crate::inspect::exec::{Executable, Format};
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// init is there and can be executed.
    Present,
    /// Its dynamic loader and libraries are there.
    Libraries,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for Init {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let rootfs = known!(cx.facts.rootfs);
        let place = || Location::file(&rootfs.partition, rootfs.init_path.clone());
        match (self.aspect, &rootfs.init) {
            (_, Fact::Unreadable(error)) => Answer::unreadable(error),
            (Aspect::Present, Fact::Absent) => Answer::Violated(vec![Violation::at(
                place(),
                format!(
                    "{} does not exist in the root file system, or is a link that leads nowhere",
                    rootfs.init_path
                ),
            )]),
            (Aspect::Present, Fact::Known(program)) => {
                Answer::from_option(unusable(program).map(|why| {
                    Violation::at(
                        place(),
                        format!("{} cannot be executed: {why}", rootfs.init_path),
                    )
                }))
            }
            (Aspect::Libraries, Fact::Known(program)) => {
                Answer::from_option(lacks(program).map(|why| {
                    Violation::at(
                        program.location.clone(),
                        format!("PID 1 dies at once: {why}"),
                    )
                }))
            }
            (Aspect::Libraries, Fact::Absent) => Answer::NotApplicable,
        }
    }
}

fn unusable(program: &Executable) -> Option<String> {
    match &program.format {
        _ if !program.is_executable() => Some(format!("its mode is {:04o}", program.mode)),
        Format::Empty => Some("it is empty".into()),
        Format::Unknown => Some("it is no program".into()),
        _ => None,
    }
}

fn lacks(program: &Executable) -> Option<String> {
    match (&program.format, program.interpreter.as_deref()) {
        (
            Format::Elf {
                interpreter: Some(name),
                ..
            }
            | Format::Script {
                interpreter: name, ..
            },
            Some(Fact::Absent),
        ) => Some(format!("its interpreter {name} is not in the image")),
        (
            Format::Elf {
                interpreter: Some(name),
                ..
            },
            Some(Fact::Known(inner)),
        ) if !inner.is_executable() || !matches!(inner.format, Format::Elf { .. }) => {
            Some(format!("its dynamic loader {name} cannot be executed"))
        }
        (
            Format::Elf {
                missing_libraries, ..
            },
            _,
        ) if !missing_libraries.is_empty() => Some(format!(
            "libraries it needs are not in the image: {}",
            missing_libraries.join(", ")
        )),
        _ => None,
    }
}
