//! What a check can ask.

use super::Answer;
use super::machine::Machine;
use crate::inspect::cmdline::Word;
use crate::inspect::error::Fact;
use crate::inspect::facts::Facts;
use crate::inspect::source::{Location, Origin};
use crate::inspect::systemd::{LoadState, SystemdFacts, Unit};
use crate::profile::Profile;

/// What a check looks at.
pub struct Context<'a> {
    /// All facts of one image.
    pub facts: &'a Facts,
    /// Names in use.
    pub profile: &'a Profile,
}

impl<'a> Context<'a> {
    /// The context of an image.
    pub fn new(facts: &'a Facts) -> Self {
        Context {
            facts,
            profile: &facts.profile,
        }
    }
    /// Placeholders of rules and what they stand for in this image.
    pub fn names(&self) -> [(&'static str, &'a str); 6] {
        self.profile.names().map(|(key, name)| match key {
            "unit" => (key, self.unit_name()),
            _ => (key, name),
        })
    }
    /// systemd's facts, when they could be read.
    pub fn systemd(&self) -> Option<&'a SystemdFacts> {
        self.facts.systemd.known()
    }
    /// The backdoor unit's name in this image.
    pub fn unit_name(&self) -> &'a str {
        self.facts
            .backdoor
            .as_deref()
            .unwrap_or(&self.facts.profile.unit)
    }
    /// The backdoor unit.
    pub fn unit(&self) -> Option<&'a Unit> {
        self.systemd()?.unit(self.unit_name())
    }
    /// The backdoor unit, when systemd would load it. Else the answer for checks that look into it: one that does not
    /// exist, is masked or refused is the business of other rules.
    pub fn loaded_unit(&self) -> Result<&'a Unit, Answer> {
        if self.systemd().is_none() {
            return Err(Answer::without(&self.facts.systemd));
        }
        self.unit()
            .filter(|u| u.load == LoadState::Loaded)
            .ok_or(Answer::NotApplicable)
    }
    /// `dev-hvc0.device`
    pub fn device_unit(&self) -> String {
        format!("dev-{}.device", self.profile.device)
    }
    /// `/dev/hvc0`
    pub fn device_path(&self) -> String {
        format!("/dev/{}", self.profile.device)
    }
    /// The machine that the image is tested on.
    pub fn machine(&self) -> Machine<'a> {
        Machine::new(self.facts)
    }
    /// Place of a path in the root file system.
    pub fn in_rootfs(&self, path: impl Into<String>) -> Location {
        let id = self
            .facts
            .rootfs
            .known()
            .map(|r| r.partition.clone())
            .or_else(|| self.facts.disk.known().and_then(|d| d.root.clone()));
        Location {
            partition: id,
            path: Some(path.into()),
            ..Location::default()
        }
    }
    /// Place of a path in the ESP.
    pub fn in_esp(&self, path: impl Into<String>) -> Location {
        let id = match &self.facts.esp {
            Fact::Known(esp) => Some(esp.partition.clone()),
            _ => self.facts.disk.known().and_then(|d| d.esp.clone()),
        };
        Location {
            partition: id,
            path: Some(path.into()),
            ..Location::default()
        }
    }
    /// The line of the loader's configuration that holds the command line, when it has one.
    pub fn cmdline_line(&self) -> Option<&'a Origin> {
        self.facts.cmdline.known()?.origins.first()
    }
    /// The line on which a word of the command line was written, and the word's place in it.
    pub fn word_place(&self, word: &'a Word) -> (Option<&'a Origin>, Option<(usize, usize)>) {
        match &word.place {
            Some((origin, column)) => (Some(origin), Some((*column, word.len))),
            None => (self.cmdline_line(), None),
        }
    }
    /// A violation at a word of the command line.
    pub fn at_word(&self, word: &'a Word, message: impl Into<String>) -> super::Violation {
        let (origin, span) = self.word_place(word);
        let found = super::Violation::at_either(origin, || self.in_esp("/"), message);
        match span {
            Some((column, len)) => found.span(column, len),
            None => found,
        }
    }
}
