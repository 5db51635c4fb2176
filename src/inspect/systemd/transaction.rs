//! The initial transaction: which jobs the start of one unit leads to (systemd's `src/core/transaction.c`).

mod activate;
mod order;

use super::manager::{Id, Manager};
use super::model::{Cycle, DependencyKind, LoadState};
use super::unit::is_perpetual;
use std::collections::HashMap;

/// Kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobType {
    /// Start the unit.
    Start,
    /// Fail unless the unit is active already.
    Verify,
    /// Stop the unit.
    Stop,
}

type JobId = usize;

#[derive(Debug)]
struct Job {
    unit: Id,
    job_type: JobType,
    alive: bool,
    matters: bool,
    /// Links in which this job is the one that pulls in.
    pulls: Vec<usize>,
    /// Links in which this job is the one pulled in.
    pulled: Vec<usize>,
}

#[derive(Debug)]
struct Link {
    subject: JobId,
    object: JobId,
    /// The object's failure fails the subject.
    matters: bool,
    /// The object is a stop job because the subject conflicts with its unit.
    conflicts: bool,
    alive: bool,
}

/// Why a job cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Load(LoadState),
    /// A unit that is always there cannot be stopped.
    NotApplicable,
}

/// Dependencies of all units by what they do to a transaction, in both directions.
pub struct Relations {
    requires: Vec<Vec<Id>>,
    wants: Vec<Vec<Id>>,
    requisite: Vec<Vec<Id>>,
    conflicts: Vec<Vec<Id>>,
    conflicted_by: Vec<Vec<Id>>,
    /// Units that stop when this one stops.
    stops: Vec<Vec<Id>>,
    /// Units that this one is ordered before, and after.
    before: Vec<Vec<Id>>,
    after: Vec<Vec<Id>>,
}

impl Relations {
    /// Sorts out the dependencies of all loaded units.
    pub fn new(manager: &Manager) -> Self {
        use DependencyKind::*;
        let empty = || vec![Vec::new(); manager.nodes.len()];
        let mut r = Relations {
            requires: empty(),
            wants: empty(),
            requisite: empty(),
            conflicts: empty(),
            conflicted_by: empty(),
            stops: empty(),
            before: empty(),
            after: empty(),
        };
        for (from, node) in manager.nodes.iter().enumerate() {
            for edge in &node.edges {
                let to = edge.other;
                match edge.kind {
                    Requires | BindsTo => {
                        r.requires[from].push(to);
                        r.stops[to].push(from);
                    }
                    Requisite => {
                        r.requisite[from].push(to);
                        r.stops[to].push(from);
                    }
                    Wants | Upholds => r.wants[from].push(to),
                    PartOf => r.stops[to].push(from),
                    Conflicts => {
                        r.conflicts[from].push(to);
                        r.conflicted_by[to].push(from);
                    }
                    Before => {
                        r.before[from].push(to);
                        r.after[to].push(from);
                    }
                    After => {
                        r.after[from].push(to);
                        r.before[to].push(from);
                    }
                    PropagatesStopTo if manager.loader.version < 254 => r.stops[from].push(to),
                    PropagatesStopTo | OnFailure | OnSuccess | Triggers | Slice => {}
                }
            }
        }
        // systemd goes through these in the order of a hash table, so in no order. Names give a reproducible one.
        for list in [
            &mut r.requires,
            &mut r.wants,
            &mut r.requisite,
            &mut r.conflicts,
            &mut r.conflicted_by,
            &mut r.stops,
            &mut r.before,
            &mut r.after,
        ] {
            for others in list {
                others.sort_unstable_by(|a, b| manager.nodes[*a].name.cmp(&manager.nodes[*b].name));
                others.dedup();
            }
        }
        r
    }
}

/// A transaction while it is made.
pub struct Builder<'m, 'a> {
    manager: &'m Manager<'a>,
    relations: &'m Relations,
    jobs: Vec<Job>,
    links: Vec<Link>,
    /// Jobs of a unit, the last added first.
    of_unit: HashMap<Id, Vec<JobId>>,
    anchor: JobId,
    /// Steps taken in searches for cycles.
    steps: usize,
    /// Units whose job was dropped, and why.
    pub dropped: Vec<(String, String)>,
    /// Cycles in the order in which they were broken.
    pub cycles: Vec<Cycle>,
    /// The whole transaction is refused.
    pub refused: Option<String>,
}

struct Step {
    unit: Id,
    job_type: JobType,
    matters: bool,
    conflicts: bool,
    /// A failure to add it is ignored.
    ignored: bool,
}

struct Frame {
    job: JobId,
    steps: Vec<Step>,
    next: usize,
    ignored: bool,
}

impl<'m, 'a> Builder<'m, 'a> {
    /// Builds and activates the transaction that starts `anchor`.
    pub fn build(manager: &'m Manager<'a>, relations: &'m Relations, anchor: Id) -> Self {
        let mut builder = Builder {
            manager,
            relations,
            jobs: Vec::new(),
            links: Vec::new(),
            of_unit: HashMap::new(),
            anchor: 0,
            steps: 0,
            dropped: Vec::new(),
            cycles: Vec::new(),
            refused: None,
        };
        builder.add_all(anchor);
        if builder.refused.is_none() {
            builder.activate();
        }
        builder
    }

    fn name(&self, unit: Id) -> &'m str {
        &self.manager.nodes[unit].name
    }

    /// Whether the unit is active before anything is started.
    fn is_active(&self, unit: Id) -> bool {
        is_perpetual(self.name(unit))
    }

    /// Units with a start job, and whether the anchor requires it.
    pub fn starts(&self) -> impl Iterator<Item = (Id, bool)> + '_ {
        self.jobs
            .iter()
            .filter(|job| job.alive && job.job_type == JobType::Start)
            .map(|job| (job.unit, job.matters))
    }

    /// Units that a unit with a job must wait for.
    pub fn waits_for(&self, unit: Id) -> impl Iterator<Item = Id> + '_ {
        self.relations.after[unit]
            .iter()
            .copied()
            .filter(|other| self.of_unit.contains_key(other))
    }

    /// Adds the anchor's job and everything it pulls in. No recursion: the chain may be as long as there are units.
    fn add_all(&mut self, anchor: Id) {
        let root = match self.add_job(JobType::Start, anchor) {
            Ok((job, _)) => job,
            Err(refusal) => {
                self.refused = Some(self.refusal_text(anchor, refusal));
                return;
            }
        };
        self.anchor = root;
        let mut stack = vec![self.frame(root, false)];
        while let Some(frame) = stack.last_mut() {
            let Some(step) = frame.steps.get(frame.next) else {
                stack.pop();
                continue;
            };
            let (unit, job_type, ignored) = (step.unit, step.job_type, step.ignored);
            let (matters, conflicts) = (step.matters, step.conflicts);
            let subject = frame.job;
            frame.next += 1;
            match self.add_job(job_type, unit) {
                Ok((job, is_new)) => {
                    self.link(subject, job, matters, conflicts);
                    if is_new {
                        let next = self.frame(job, ignored);
                        stack.push(next);
                    }
                }
                Err(Refusal::NotApplicable) => {}
                Err(refusal) => {
                    let text = self.refusal_text(unit, refusal);
                    if ignored {
                        self.dropped.push((self.name(unit).to_owned(), text));
                    } else if !self.unwind(&mut stack, text) {
                        return;
                    }
                }
            }
        }
    }

    /// A required job could not be added: the jobs that require it go too, up to one that is only wanted. Older versions leave
    /// those jobs in the transaction. False when the anchor itself is hit.
    fn unwind(&mut self, stack: &mut Vec<Frame>, text: String) -> bool {
        while let Some(frame) = stack.pop() {
            let unit = self.jobs[frame.job].unit;
            if self.manager.loader.version >= 255 {
                self.delete(frame.job, false);
                self.dropped
                    .push((self.name(unit).to_owned(), text.clone()));
            }
            if stack.is_empty() {
                self.refused = Some(text);
                return false;
            }
            if frame.ignored {
                break;
            }
        }
        true
    }

    fn refusal_text(&self, unit: Id, refusal: Refusal) -> String {
        let name = self.name(unit);
        match refusal {
            Refusal::Load(LoadState::NotFound) => format!("{name} not found"),
            Refusal::Load(LoadState::Masked) => format!("{name} is masked"),
            Refusal::Load(LoadState::BadSetting) => format!("{name} has a bad unit file setting"),
            Refusal::Load(_) => format!("{name} failed to load properly"),
            Refusal::NotApplicable => format!("{name} cannot be stopped"),
        }
    }

    /// A job of this type for a unit, new or there already.
    fn add_job(&mut self, job_type: JobType, unit: Id) -> Result<(JobId, bool), Refusal> {
        let state = self.manager.nodes[unit].loaded.load;
        if job_type != JobType::Stop && state != LoadState::Loaded {
            return Err(Refusal::Load(state));
        }
        if job_type == JobType::Stop && self.is_active(unit) {
            return Err(Refusal::NotApplicable);
        }
        let of_unit = self.of_unit.entry(unit).or_default();
        if let Some(job) = of_unit
            .iter()
            .find(|job| self.jobs[**job].job_type == job_type)
        {
            return Ok((*job, false));
        }
        let id = self.jobs.len();
        of_unit.insert(0, id);
        self.jobs.push(Job {
            unit,
            job_type,
            alive: true,
            matters: false,
            pulls: Vec::new(),
            pulled: Vec::new(),
        });
        Ok((id, true))
    }

    fn link(&mut self, subject: JobId, object: JobId, matters: bool, conflicts: bool) {
        let id = self.links.len();
        self.links.push(Link {
            subject,
            object,
            matters,
            conflicts,
            alive: true,
        });
        self.jobs[subject].pulls.push(id);
        self.jobs[object].pulled.push(id);
    }

    /// What a new job pulls in, in systemd's order.
    fn frame(&self, job: JobId, ignored: bool) -> Frame {
        let unit = self.jobs[job].unit;
        let r = self.relations;
        let mut steps = Vec::new();
        let mut add = |units: &[Id], job_type, matters, conflicts, ignored| {
            steps.extend(units.iter().map(|unit| Step {
                unit: *unit,
                job_type,
                matters,
                conflicts,
                ignored,
            }));
        };
        match self.jobs[job].job_type {
            JobType::Start => {
                add(&r.requires[unit], JobType::Start, true, false, false);
                add(&r.wants[unit], JobType::Start, false, false, true);
                add(&r.requisite[unit], JobType::Verify, true, false, false);
                add(&r.conflicts[unit], JobType::Stop, true, true, false);
                add(&r.conflicted_by[unit], JobType::Stop, false, false, true);
            }
            JobType::Stop => add(&r.stops[unit], JobType::Stop, true, false, false),
            JobType::Verify => {}
        }
        Frame {
            job,
            steps,
            next: 0,
            ignored,
        }
    }

    /// Deletes a job; with `dependents`, also all jobs that need it. Returns the units whose jobs went.
    fn delete(&mut self, job: JobId, dependents: bool) -> Vec<Id> {
        let mut units = Vec::new();
        let mut queue = vec![job];
        while let Some(job) = queue.pop() {
            if !std::mem::replace(&mut self.jobs[job].alive, false) {
                continue;
            }
            let unit = self.jobs[job].unit;
            units.push(unit);
            if let Some(of_unit) = self.of_unit.get_mut(&unit) {
                of_unit.retain(|other| *other != job);
                if of_unit.is_empty() {
                    self.of_unit.remove(&unit);
                }
            }
            for link in std::mem::take(&mut self.jobs[job].pulls) {
                self.links[link].alive = false;
            }
            for link in std::mem::take(&mut self.jobs[job].pulled) {
                let was_alive = std::mem::replace(&mut self.links[link].alive, false);
                if dependents && was_alive && self.links[link].matters {
                    queue.push(self.links[link].subject);
                }
            }
        }
        units
    }

    /// Live links that pull a job in.
    fn pulled_by(&self, job: JobId) -> impl Iterator<Item = &Link> {
        self.jobs[job]
            .pulled
            .iter()
            .map(|link| &self.links[*link])
            .filter(|link| link.alive)
    }
}
