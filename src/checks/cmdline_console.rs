//! Who owns which console, by the kernel command line.

use super::{Answer, Check, Context, Violation};
use crate::inspect::cmdline::{CmdlineFacts, Word};
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The kernel does not log to the shell device.
    NotOnShellDevice,
    /// Some `console=` is the watched port.
    Watched,
    /// `/dev/console` is the watched port: it is the last `console=`.
    WatchedLast,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmdlineConsole {
    /// What is judged.
    pub aspect: Aspect,
}

/// Device of a `console=` word, without options.
fn device(word: &Word) -> &str {
    word.value
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .next()
        .unwrap_or_default()
}

fn at(word: Option<&Word>, cmdline: &CmdlineFacts, message: String) -> Violation {
    match word.and_then(|w| w.place.as_ref()) {
        Some((origin, _)) => Violation::at_line(origin, message),
        None => match cmdline.origins.first() {
            Some(origin) => Violation::at_line(origin, message),
            None => Violation::at(Location::default(), message),
        },
    }
}

impl Check for CmdlineConsole {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let cmdline = known!(cx.facts.cmdline);
        let consoles: Vec<&Word> = cmdline.words_named("console").collect();
        let watched = &cx.profile.console;
        match self.aspect {
            Aspect::NotOnShellDevice => {
                let word = consoles.iter().find(|w| {
                    device(w) == cx.profile.device
                        || device(w) == "hvc" && cx.profile.device.starts_with("hvc")
                });
                Answer::from_option(word.map(|w| {
                    let shown = w.value.as_deref().unwrap_or_default();
                    at(Some(w), cmdline, format!("`console={shown}` makes the kernel write its log to the shell device: one stray byte breaks the driver's protocol"))
                }))
            }
            Aspect::Watched => {
                if consoles.iter().any(|w| device(w) == watched) {
                    return Answer::Satisfied;
                }
                let what = if consoles.is_empty() {
                    "there is no console= at all".to_owned()
                } else {
                    format!(
                        "console= names only {}",
                        consoles
                            .iter()
                            .map(|w| device(w))
                            .collect::<Vec<_>>()
                            .join(", ")
                    )
                };
                Answer::Violated(vec![at(
                    consoles.first().copied(),
                    cmdline,
                    format!("{what}: nothing of the boot is seen on {watched}"),
                )])
            }
            Aspect::WatchedLast => {
                let Some(last) = consoles
                    .last()
                    .filter(|w| device(w) != watched && device(w) != cx.profile.device)
                else {
                    return Answer::Satisfied;
                };
                if !consoles.iter().any(|w| device(w) == watched) {
                    return Answer::NotApplicable;
                }
                let shown = last.value.as_deref().unwrap_or_default();
                let found = at(
                    Some(last),
                    cmdline,
                    format!(
                        "`console={shown}` comes last, so /dev/console is {}: prompts and systemd's messages go there and not to {watched}",
                        device(last)
                    ),
                );
                Answer::Violated(vec![if device(last) == "tty0" {
                    found.by_isar()
                } else {
                    found
                }])
            }
        }
    }
}

/// The command line must not contain certain words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmdlineLacks {
    /// Words as `key` or `key=value`.
    pub words: Vec<String>,
    /// What such a word does.
    pub because: String,
}

impl Check for CmdlineLacks {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let cmdline = known!(cx.facts.cmdline);
        let violations = cmdline
            .words
            .iter()
            .chain(&cmdline.init_words)
            .filter_map(|word| {
                let hit = self.words.iter().find(|want| match want.split_once('=') {
                    Some((key, value)) => word.key == key && word.value.as_deref() == Some(value),
                    None => word.key == **want,
                })?;
                Some(at(
                    Some(word),
                    cmdline,
                    format!("`{hit}` is on the kernel command line: {}", self.because),
                ))
            })
            .collect();
        Answer::from_violations(violations)
    }
}
