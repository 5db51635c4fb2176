//! Questions about the units and the initial transaction: who pulls a unit in, what it waits for, why it is not started.

use super::model::{DependencyKind, LoadState, SystemdFacts, Unit};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How one unit is ordered after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPath {
    /// The units from the one that runs first to the one that waits, both included. Two of them: ordered directly.
    pub units: Vec<String>,
}

/// Why a unit is not started by the boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStarted {
    /// No such unit.
    NotFound,
    /// It is masked; by what.
    Masked(String),
    /// systemd refuses it; why.
    Refused(String),
    /// Nothing in the image names it.
    NothingPullsIn,
    /// Only units that are not started themselves pull it in.
    OnlyByOthers(Vec<String>),
    /// It was pulled in, and its job was dropped again; why.
    Dropped(String),
    /// The whole transaction is refused; why.
    NoTransaction(String),
}

impl SystemdFacts {
    /// The unit's own name for a name or alias.
    fn own<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// Whether the boot enqueues a start job for the unit.
    pub fn is_started(&self, name: &str) -> bool {
        self.transaction.jobs.contains_key(self.own(name))
    }

    /// Units with a start job that pull this unit in, with the dependency.
    pub fn pulled_in_by(&self, name: &str) -> &[(String, DependencyKind)] {
        let job = self.transaction.jobs.get(self.own(name));
        job.map_or(&[], |job| job.pulled_in_by.as_slice())
    }

    /// Whether the unit's job waits for the other's, directly or through jobs between them; the shortest way. `None` also when one
    /// of the two has no job, because then there is nothing to wait for.
    pub fn ordered_after(&self, name: &str, other: &str) -> Option<OrderPath> {
        let (name, other) = (self.own(name), self.own(other));
        let waits = &self.transaction.waits_for;
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([name]);
        while let Some(unit) = queue.pop_front() {
            for before in waits.get(unit).into_iter().flatten() {
                if before == name || came_from.contains_key(before.as_str()) {
                    continue;
                }
                came_from.insert(before, unit);
                if before == other {
                    let mut units = vec![before.clone()];
                    let mut at = before.as_str();
                    while let Some(next) = came_from.get(at) {
                        units.push((*next).to_owned());
                        at = next;
                    }
                    return Some(OrderPath { units });
                }
                queue.push_back(before);
            }
        }
        None
    }

    /// The unit's files say that it is ordered after the other, whether the two have jobs or not.
    pub fn declares_after(&self, name: &str, other: &str) -> bool {
        let (name, other) = (self.own(name), self.own(other));
        let has = |from: &str, kind: DependencyKind, to: &str| {
            let unit = self.units.get(from);
            unit.is_some_and(|u| {
                u.dependencies
                    .iter()
                    .any(|d| d.kind == kind && self.own(&d.other) == to)
            })
        };
        has(name, DependencyKind::After, other) || has(other, DependencyKind::Before, name)
    }

    /// All units whose jobs must finish before the unit's job starts.
    pub fn ordering_ancestors(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut queue = vec![self.own(name)];
        while let Some(unit) = queue.pop() {
            for before in self.transaction.waits_for.get(unit).into_iter().flatten() {
                if found.insert(before.as_str()) {
                    queue.push(before);
                }
            }
        }
        found
    }

    /// Loaded units that pull this one in, whether they are started or not.
    pub fn pullers(&self, name: &str) -> impl Iterator<Item = &Unit> {
        let name = self.own(name).to_owned();
        self.units.values().filter(move |unit| {
            unit.load == LoadState::Loaded
                && unit
                    .dependencies
                    .iter()
                    .any(|d| d.kind.pulls_in() && self.own(&d.other) == name)
        })
    }

    /// Why the boot does not start the unit; `None` when it does.
    pub fn why_not_started(&self, name: &str) -> Option<NotStarted> {
        let own = self.own(name);
        if self.transaction.jobs.contains_key(own) {
            return None;
        }
        if let Some(refused) = &self.transaction.refused {
            return Some(NotStarted::NoTransaction(refused.clone()));
        }
        let Some(unit) = self.units.get(own) else {
            return Some(NotStarted::NotFound);
        };
        match unit.load {
            LoadState::Loaded => {}
            LoadState::NotFound => return Some(NotStarted::NotFound),
            LoadState::Masked => {
                return Some(NotStarted::Masked(
                    unit.masked_by.clone().unwrap_or_default(),
                ));
            }
            LoadState::BadSetting | LoadState::Error => {
                let fatal = unit.problems.iter().rfind(|p| p.fatal);
                return Some(NotStarted::Refused(
                    fatal.map(|p| p.message.clone()).unwrap_or_default(),
                ));
            }
        }
        if let Some((_, why)) = self
            .transaction
            .dropped
            .iter()
            .find(|(unit, _)| unit == own)
        {
            return Some(NotStarted::Dropped(why.clone()));
        }
        let pullers: Vec<String> = self.pullers(own).map(|unit| unit.name.clone()).collect();
        Some(match pullers.is_empty() {
            true => NotStarted::NothingPullsIn,
            false => NotStarted::OnlyByOthers(pullers),
        })
    }
}
