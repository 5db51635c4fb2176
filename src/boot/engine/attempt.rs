//! One attempt with one accelerator: from QEMU's start to its end.

use super::{Plan, Result1, Watcher};
use crate::boot::accel::{Accel, kvm_complaint};
use crate::boot::channel::{Clock, Emitter, Idleness, Message, Stop};
use crate::boot::ending::Ending;
use crate::boot::launch::Launch;
use crate::boot::machine::Nest;
use crate::boot::observe::disk_reads::FileMap;
use crate::boot::outcome::Ended;
use crate::boot::qmp::Qmp;
use crate::boot::stages::Stages;
use crate::boot::stages::machine::StageMachine;
use crate::boot::timeline::{Event, Observation, Source};
use crate::boot::trouble::{BootError, HostTrouble, Kind, from_qemu_stderr};
use crate::boot::wiring::{Wiring, wire};
use crate::stage::Stage;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};

/// Observations kept; a healthy boot has some thousand.
const TIMELINE_CAP: usize = 300_000;
/// KVM that has shown nothing of the firmware after this long is as good as broken: with working KVM it takes one second, nested three.
const KVM_PATIENCE: f64 = 20.0;
/// Between two searches for conclusive evidence, which look at the whole timeline.
const CONCLUDE_EVERY: f64 = 0.25;

/// One attempt.
pub(super) struct Attempt<'a, 'b> {
    pub plan: &'a Plan<'b>,
    pub accel: Accel,
    pub launch: &'a Launch,
    pub sender: Sender<Message>,
    pub receiver: Receiver<Message>,
}

/// What an attempt leaves behind.
pub(super) struct Finished {
    pub timeline: Vec<Observation>,
    pub stages: Stages,
    pub ended: Ended,
    pub blind: Vec<String>,
}

struct State<'a> {
    plan: &'a Plan<'a>,
    timeline: Vec<Observation>,
    machine: StageMachine,
    ending: Ending,
    watcher: &'a mut dyn Watcher,
    concluded_at: f64,
    unconcluded: bool,
    run_state: Option<String>,
}

impl<'a> Attempt<'a, '_> {
    pub fn run(
        self,
        nest: Nest,
        map: &Arc<OnceLock<FileMap>>,
        watcher: &mut dyn Watcher,
    ) -> Result<Result1, BootError> {
        let mut machine = nest.start(self.launch)?;
        let clock = Clock::start();
        let emitter = Emitter::new(clock, self.sender.clone());
        let stop = Stop::new();
        emitter.emit(
            Source::Doctor,
            Event::Started {
                qemu: self.plan.host.qemu_version.clone().unwrap_or_default(),
                accel: self.accel.name().to_owned(),
            },
        );
        let wiring = wire(&mut machine, self.launch, self.plan, map, &emitter, &stop);
        drop(self.sender);
        let mut state = State {
            plan: self.plan,
            timeline: Vec::new(),
            machine: StageMachine::new(self.plan.names.clone()),
            ending: Ending::new(self.plan.limits, &self.plan.names),
            watcher,
            concluded_at: 0.0,
            unconcluded: false,
            run_state: None,
        };
        let ended = state.watch(&self.receiver, clock, self.accel, &wiring);
        let gone = matches!(ended, None | Some(Ended::MachineGone));
        // What can only be asked while QEMU still runs.
        if !gone {
            wiring.last_questions(&emitter);
        }
        stop.stop();
        drop(machine);
        drop(emitter);
        wiring.join();
        // All senders are gone: what is still in the channel was seen before the end.
        for message in self.receiver.try_iter() {
            // What QEMU says about being ended by the doctor is no news.
            if let Message::Seen(seen) = message
                && (gone || !matches!(seen.source, Source::Qemu | Source::Qmp))
            {
                state.seen(seen);
            }
        }
        let stderr = state.stderr();
        let Some(ended) = ended else {
            let reason = kvm_complaint(&stderr).map(str::to_owned).or_else(|| {
                let state = state.run_state.as_ref()?;
                Some(format!("QEMU stopped the guest in state {state}"))
            });
            return Ok(Result1::KvmFailed(reason.unwrap_or_else(|| {
                "QEMU with KVM ended or hung before the firmware showed any sign of life".into()
            })));
        };
        if ended == Ended::MachineGone && !state.machine.stages().reached(Stage::Firmware) {
            let trouble = never_ran(&stderr, &self.plan.image.display().to_string());
            if !(self.plan.script && trouble.kind.by_arguments()) {
                return Err(trouble.into());
            }
        }
        let blind =
            super::super::blind::channels(self.launch, &state.timeline, state.machine.stages());
        Ok(Result1::Done(Box::new(Finished {
            timeline: state.timeline,
            stages: state.machine.into_stages(),
            ended,
            blind,
        })))
    }
}

/// QEMU ended before the guest did anything: the host, or the arguments.
fn never_ran(stderr: &str, image: &str) -> HostTrouble {
    from_qemu_stderr(stderr, image).unwrap_or_else(|| {
        let last = stderr
            .lines()
            .rfind(|l| !l.trim().is_empty())
            .unwrap_or("it said nothing");
        HostTrouble::new(
            Kind::LaunchFailed,
            format!("QEMU ended before the guest started: {last}"),
            "check the arguments (isar-doctor shows them with --format json) and this QEMU",
        )
    })
}

impl State<'_> {
    /// Handles messages until the run ends; none = KVM is broken.
    fn watch(
        &mut self,
        receiver: &Receiver<Message>,
        clock: Clock,
        accel: Accel,
        wiring: &Wiring,
    ) -> Option<Ended> {
        loop {
            let now = clock.now();
            self.conclude(now);
            if let Some(ended) = self.ending.due(now) {
                return Some(ended);
            }
            let mut wait = self.ending.wait(now);
            if self.unconcluded {
                wait = wait.min(std::time::Duration::from_secs_f64(CONCLUDE_EVERY));
            }
            match receiver.recv_timeout(wait) {
                Ok(Message::Seen(seen)) => {
                    let stopped = matches!(&seen.event, Event::Qmp { name, .. } if name == "STOP");
                    self.seen(seen);
                    if stopped && self.stopped(clock, wiring) && accel == Accel::Kvm {
                        return None;
                    }
                }
                Ok(Message::Idle(idle)) => {
                    self.watcher.tick(clock.now());
                    if let Some(ended) = self.idle(idle, clock) {
                        return Some(ended);
                    }
                    let dead = !self.alive() && clock.now() > KVM_PATIENCE;
                    if accel == Accel::Kvm && dead {
                        return None;
                    }
                }
                Ok(Message::InterviewDone) => {
                    return Some(if self.machine.stages().reached(Stage::Shell) {
                        Ended::Finished
                    } else {
                        let evidence = "the shell does not speak the test driver's protocol";
                        Ended::Conclusive {
                            evidence: evidence.to_owned(),
                        }
                    });
                }
                Ok(Message::MachineGone) => {
                    return (accel != Accel::Kvm || self.alive()).then_some(Ended::MachineGone);
                }
                Ok(Message::Interrupt(signal)) => return Some(Ended::Interrupted { signal }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Some(Ended::MachineGone),
            }
        }
    }

    /// The guest has shown a sign of life.
    fn alive(&self) -> bool {
        self.machine.stages().reached(Stage::Firmware)
    }

    fn seen(&mut self, seen: Observation) {
        let reached = self.machine.take(&seen);
        let t = seen.t;
        self.push(seen);
        for stage in reached {
            if let Some(event) = self.machine.reached_event(stage, t) {
                self.push(event);
            }
        }
    }

    fn push(&mut self, seen: Observation) {
        self.ending.take(&seen);
        self.unconcluded |= !matches!(seen.event, Event::DiskRead { .. } | Event::Note { .. });
        self.watcher.observed(&seen, self.machine.stages());
        if self.timeline.len() < TIMELINE_CAP {
            self.timeline.push(seen);
        }
    }

    fn conclude(&mut self, now: f64) {
        if self.unconcluded && now - self.concluded_at >= CONCLUDE_EVERY {
            self.unconcluded = false;
            self.concluded_at = now;
            let conclusion =
                (self.plan.conclude)(&self.timeline, self.machine.stages(), &self.plan.names);
            self.ending.conclude(conclusion);
        }
    }

    fn idle(&mut self, idle: Idleness, clock: Clock) -> Option<Ended> {
        let ended = self.ending.idle(idle, self.machine.stages())?;
        let seconds = idle.cpu.min(idle.io);
        self.push(Observation {
            t: clock.now(),
            source: Source::Idle,
            event: Event::Quiet { seconds },
        });
        Some(ended)
    }

    /// The VM stopped: why? True when it is an internal error.
    fn stopped(&mut self, clock: Clock, wiring: &Wiring) -> bool {
        let Some(state) = wiring.qmp().and_then(|qmp| run_state(&qmp)) else {
            return false;
        };
        self.run_state = Some(state.clone());
        let internal = state == "internal-error";
        self.seen(Observation {
            t: clock.now(),
            source: Source::Qmp,
            event: Event::RunState { state },
        });
        internal
    }

    fn stderr(&self) -> String {
        let lines: Vec<&str> = self
            .timeline
            .iter()
            .filter_map(|o| match &o.event {
                Event::QemuMessage { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        lines.join("\n")
    }
}

fn run_state(qmp: &Qmp) -> Option<String> {
    let status = qmp.execute("query-status", Value::Null).ok()?;
    Some(status["status"].as_str()?.to_owned())
}
