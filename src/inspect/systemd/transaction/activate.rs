//! From the jobs that were pulled in to the jobs that are queued (`transaction_activate`).

use super::{Builder, JobId, JobType};
use crate::inspect::systemd::manager::Id;

impl Builder<'_, '_> {
    pub(super) fn activate(&mut self) {
        self.mark_mattering();
        self.drop_redundant();
        let isolate = self.manager.nodes[self.jobs[self.anchor].unit].loaded.flag(
            "Unit",
            "AllowIsolate",
            false,
        );
        if !isolate {
            self.collect_garbage();
        }
        while let Some(broken) = self.break_cycle() {
            if !broken {
                return;
            }
            if !isolate {
                self.collect_garbage();
            }
        }
        while let Some(dropped) = self.resolve_conflict() {
            if !dropped {
                return;
            }
            if !isolate {
                self.collect_garbage();
            }
        }
        self.merge();
        self.drop_redundant();
    }

    /// Marks the jobs that the anchor needs, directly or not.
    fn mark_mattering(&mut self) {
        let mut queue = vec![self.anchor];
        while let Some(job) = queue.pop() {
            if std::mem::replace(&mut self.jobs[job].matters, true) {
                continue;
            }
            for link in &self.jobs[job].pulls {
                let link = &self.links[*link];
                if link.alive && link.matters {
                    queue.push(link.object);
                }
            }
        }
    }

    fn is_redundant(&self, job: JobId) -> bool {
        if job == self.anchor {
            return false;
        }
        let active = self.is_active(self.jobs[job].unit);
        match self.jobs[job].job_type {
            JobType::Start | JobType::Verify => active,
            JobType::Stop => !active,
        }
    }

    /// Drops the jobs of units all of whose jobs would do nothing.
    fn drop_redundant(&mut self) {
        let idle: Vec<JobId> = self
            .of_unit
            .values()
            .filter(|jobs| jobs.iter().all(|job| self.is_redundant(*job)))
            .flatten()
            .copied()
            .collect();
        for job in idle {
            self.delete(job, false);
        }
    }

    /// Drops jobs that no other job pulls in any more.
    fn collect_garbage(&mut self) {
        let mut queue: Vec<JobId> = (0..self.jobs.len()).collect();
        while let Some(job) = queue.pop() {
            if !self.jobs[job].alive || job == self.anchor || self.pulled_by(job).next().is_some() {
                continue;
            }
            let objects: Vec<JobId> = self.jobs[job]
                .pulls
                .iter()
                .map(|link| self.links[*link].object)
                .collect();
            self.delete(job, true);
            queue.extend(objects);
        }
    }

    /// Finds a unit that is both to be started and stopped, and drops one of the two jobs. `Some(false)`: neither can go, and the
    /// transaction is refused. `None`: no conflict is left.
    fn resolve_conflict(&mut self) -> Option<bool> {
        let mut units: Vec<Id> = self
            .of_unit
            .iter()
            .filter(|(_, jobs)| jobs.len() > 1)
            .map(|(unit, _)| *unit)
            .collect();
        units.sort_unstable_by_key(|unit| self.name(*unit));
        for unit in units {
            let jobs = self.of_unit[&unit].clone();
            let stop = jobs
                .iter()
                .copied()
                .find(|job| self.jobs[*job].job_type == JobType::Stop);
            let other = jobs
                .iter()
                .copied()
                .find(|job| self.jobs[*job].job_type != JobType::Stop);
            let (Some(stop), Some(other)) = (stop, other) else {
                continue;
            };
            let by: Vec<String> = self
                .pulled_by(stop)
                .map(|link| self.name(self.jobs[link.subject].unit).to_owned())
                .collect();
            let conflicted = self.pulled_by(stop).any(|link| link.conflicts);
            let victim = match (self.jobs[stop].matters, self.jobs[other].matters) {
                // Of two jobs that do not matter the stop goes, unless it is there because a started unit conflicts.
                (false, false) if conflicted => other,
                (false, _) => stop,
                (true, false) => other,
                (true, true) => {
                    self.refused = Some(format!(
                        "{} is to be started and, by {}, to be stopped",
                        self.name(unit),
                        by.join(", ")
                    ));
                    return Some(false);
                }
            };
            let starts = victim == other;
            let gone = self.delete(victim, true);
            for unit in gone {
                let text = if starts {
                    format!("conflicts with {}", by.join(", "))
                } else {
                    format!(
                        "conflict with {} ignored, which is started",
                        self.name(unit)
                    )
                };
                if starts || unit != self.jobs[victim].unit {
                    self.dropped.push((self.name(unit).to_owned(), text));
                }
            }
            return Some(true);
        }
        None
    }

    /// Merges the remaining jobs of each unit: to start includes to verify.
    fn merge(&mut self) {
        let several: Vec<Vec<JobId>> = self
            .of_unit
            .values()
            .filter(|jobs| jobs.len() > 1)
            .cloned()
            .collect();
        for jobs in several {
            let Some(keep) = jobs
                .iter()
                .copied()
                .find(|job| self.jobs[*job].job_type == JobType::Start)
            else {
                continue;
            };
            for job in jobs {
                if job != keep {
                    self.jobs[keep].matters |= self.jobs[job].matters;
                    let pulled = std::mem::take(&mut self.jobs[job].pulled);
                    for link in &pulled {
                        self.links[*link].object = keep;
                    }
                    self.jobs[keep].pulled.extend(pulled);
                    self.delete(job, false);
                }
            }
        }
    }
}
