//! Ordering cycles and how they are broken (`transaction_verify_order`).

use super::{Builder, JobType};
use crate::inspect::systemd::manager::Id;
use crate::inspect::systemd::model::{Cycle, Dependency, DependencyKind};
use std::collections::HashMap;

/// Steps of the search in all; a bound against images with endless cycles.
const STEPS_MAX: usize = 20_000_000;
/// Cycles at most.
const CYCLES_MAX: usize = 1_000;

impl Builder<'_, '_> {
    fn head_stops(&self, unit: Id) -> bool {
        self.of_unit
            .get(&unit)
            .and_then(|jobs| jobs.first())
            .is_some_and(|job| self.jobs[*job].job_type == JobType::Stop)
    }

    /// Units whose job runs after the unit's job. A stop comes before a start whatever the order says.
    fn successors(&self, unit: Id) -> Vec<Id> {
        let stops = self.head_stops(unit);
        let before = self.relations.before[unit]
            .iter()
            .copied()
            .filter(|other| self.of_unit.contains_key(other) && !self.head_stops(*other));
        let after = self.relations.after[unit]
            .iter()
            .copied()
            .filter(|other| stops && self.of_unit.contains_key(other));
        before.chain(after).collect()
    }

    /// Finds one cycle and breaks it. `None`: there is none (left). `Some(false)`: it cannot be broken, the transaction is refused.
    pub(super) fn break_cycle(&mut self) -> Option<bool> {
        let path = self.find_cycle()?;
        let names: Vec<String> = path
            .iter()
            .map(|unit| self.name(*unit).to_owned())
            .collect();
        // systemd looks backwards from the last job for one that the anchor does not need.
        let can_go = |unit: &Id| {
            self.of_unit
                .get(unit)
                .is_some_and(|jobs| !jobs.iter().any(|job| self.jobs[*job].matters))
        };
        let candidates: Vec<Id> = path.iter().rev().copied().filter(can_go).collect();
        let victim = candidates.first().copied();
        let mut edges = Vec::new();
        for (index, unit) in path.iter().enumerate() {
            let next = path[(index + 1) % path.len()];
            edges.extend(self.ordering_edge(*unit, next));
        }
        self.cycles.push(Cycle {
            units: names.clone(),
            candidates: candidates
                .iter()
                .map(|unit| self.name(*unit).to_owned())
                .collect(),
            deleted: victim.map(|unit| self.name(unit).to_owned()),
            edges,
        });
        let Some(victim) = victim else {
            self.refused = Some(format!(
                "the ordering cycle {} cannot be broken",
                names.join(" → ")
            ));
            return Some(false);
        };
        if self.cycles.len() >= CYCLES_MAX {
            self.refused = Some("too many ordering cycles to follow".into());
            return Some(false);
        }
        let mut text = format!("ordering cycle: {}", names.join(" → "));
        for job in self.of_unit.get(&victim).cloned().unwrap_or_default() {
            for unit in self.delete(job, true) {
                self.dropped
                    .push((self.name(unit).to_owned(), text.clone()));
                text = format!(
                    "needs {}, dropped because of an ordering cycle",
                    self.name(victim)
                );
            }
        }
        Some(true)
    }

    /// The edge that puts `first` before `second`, as a unit file says it.
    fn ordering_edge(&self, first: Id, second: Id) -> Option<(String, Dependency)> {
        let find = |from: Id, to: Id, kind: DependencyKind| {
            let node = &self.manager.nodes[from];
            let edge = node
                .edges
                .iter()
                .find(|e| e.kind == kind && e.other == to)?;
            Some((
                node.name.clone(),
                Dependency {
                    kind,
                    other: self.name(to).to_owned(),
                    reason: edge.reason.clone(),
                },
            ))
        };
        find(first, second, DependencyKind::Before)
            .or_else(|| find(second, first, DependencyKind::After))
    }

    /// Depth-first search along the order; the units of the first cycle met.
    fn find_cycle(&mut self) -> Option<Vec<Id>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            OnPath,
            Done,
        }
        let mut roots: Vec<Id> = self.of_unit.keys().copied().collect();
        roots.sort_unstable_by_key(|unit| self.name(*unit));
        let mut marks: HashMap<Id, Mark> = HashMap::with_capacity(roots.len());
        for root in roots {
            if marks.contains_key(&root) {
                continue;
            }
            marks.insert(root, Mark::OnPath);
            let mut path = vec![(root, self.successors(root), 0)];
            while let Some((unit, successors, next)) = path.last_mut() {
                let Some(other) = successors.get(*next).copied() else {
                    marks.insert(*unit, Mark::Done);
                    path.pop();
                    continue;
                };
                *next += 1;
                self.steps += 1;
                if self.steps > STEPS_MAX {
                    self.refused = Some("too many ordering cycles to follow".into());
                    return None;
                }
                match marks.get(&other) {
                    Some(Mark::Done) => {}
                    Some(Mark::OnPath) => {
                        let start = path.iter().position(|(unit, ..)| *unit == other)?;
                        return Some(path[start..].iter().map(|(unit, ..)| *unit).collect());
                    }
                    None => {
                        marks.insert(other, Mark::OnPath);
                        let successors = self.successors(other);
                        path.push((other, successors, 0));
                    }
                }
            }
        }
        None
    }
}
