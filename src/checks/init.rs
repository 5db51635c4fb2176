//! PID 1 can be executed.

use super::{Answer, Check, Confidence, Context, Violation};
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
    /// Its dynamic loader and libraries are there, and the helper that it starts everything by.
    Libraries,
    /// It is systemd.
    Systemd,
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
                let helper = || {
                    let absent = matches!(rootfs.executor, Some(Fact::Absent));
                    absent.then(|| "its helper systemd-executor, by which it starts every program, is not in the image".to_owned())
                };
                Answer::from_option(lacks(program).or_else(helper).map(|why| {
                    Violation::at(
                        program.location.clone(),
                        format!("PID 1 dies at once: {why}"),
                    )
                }))
            }
            (Aspect::Systemd, Fact::Known(program)) => another(cx, program),
            (Aspect::Libraries | Aspect::Systemd, Fact::Absent) => Answer::NotApplicable,
        }
    }
}

/// Programs that never hand over to systemd by themselves.
const SHELLS: &[&str] = &["bash", "dash", "sh", "ash", "busybox", "sulogin", "login"];

/// A script or a small program may do its work and then execute systemd; a shell does not.
fn another(cx: &Context<'_>, program: &Executable) -> Answer {
    if program.is_systemd() || unusable(program).is_some() {
        return Answer::Satisfied;
    }
    let path = program.location.path.as_deref().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    if let Some(text) = &program.text {
        let hands_over = ["systemd", "/sbin/init"]
            .iter()
            .any(|w| text.text.contains(w));
        let reason = format!("{path} is a script, and what it leaves as PID 1 shows when it runs");
        return if hands_over {
            Answer::Satisfied
        } else {
            Answer::cannot_tell(reason, program.location.clone())
        };
    }
    let message = format!("PID 1 is {path}, which is not systemd: no unit is ever started");
    let word = cx.facts.cmdline.known().and_then(|c| c.word("init"));
    let found = match word.and_then(|w| w.place.as_ref()) {
        Some((origin, _)) => Violation::at_line(origin, message),
        None => Violation::at(program.location.clone(), message),
    };
    let sure = if SHELLS.contains(&name) {
        Confidence::Certain
    } else {
        Confidence::Possible
    };
    Answer::Violated(vec![found.confidence(sure)])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;
    use crate::inspect::facts::Facts;

    fn judge(facts: &Facts, aspect: Aspect) -> Answer {
        Init { aspect }.judge(&Context::new(facts))
    }

    fn with(init: Executable) -> Facts {
        let mut facts = testing::healthy();
        testing::known(&mut facts.rootfs).init = Fact::Known(init);
        facts
    }

    #[test]
    fn only_systemd_or_what_hands_over_to_it_is_pid_1() {
        assert_eq!(
            judge(&testing::healthy(), Aspect::Systemd),
            Answer::Satisfied
        );
        for (path, sure) in [
            ("/usr/bin/bash", Confidence::Certain),
            ("/opt/vendor/preinit", Confidence::Possible),
        ] {
            let Answer::Violated(found) = judge(&with(testing::elf(path)), Aspect::Systemd) else {
                panic!("{path}");
            };
            assert_eq!(found[0].confidence, sure);
        }
        let script = |text: &str| {
            judge(
                &with(testing::program("/sbin/preinit", text)),
                Aspect::Systemd,
            )
        };
        assert_eq!(
            script("#!/bin/sh\nmount /data\nexec /sbin/init\n"),
            Answer::Satisfied
        );
        assert!(matches!(
            script("#!/bin/sh\nexec /opt/app\n"),
            Answer::CannotTell { .. }
        ));
    }

    #[test]
    fn a_library_tells_systemd_under_any_name() {
        let mut init = testing::elf("/usr/lib/vendor/manager");
        if let Format::Elf { needed, .. } = &mut init.format {
            needed.push("libsystemd-shared-257.so".into());
        }
        assert_eq!(init.systemd_version(), Some(257));
        assert_eq!(judge(&with(init), Aspect::Systemd), Answer::Satisfied);
    }

    #[test]
    fn the_executor_has_to_be_there_when_it_is_wanted() {
        let mut facts = testing::healthy();
        assert_eq!(judge(&facts, Aspect::Libraries), Answer::Satisfied);
        testing::known(&mut facts.rootfs).executor = Some(Fact::Absent);
        assert!(matches!(
            judge(&facts, Aspect::Libraries),
            Answer::Violated(_)
        ));
    }
}
