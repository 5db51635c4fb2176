//! Runs a boot: starts the machine and its observers, gathers what they see, and decides when to stop.

mod attempt;

use super::accel::{Accel, Choice, kvm_device};
use super::channel::Message;
use super::ending::{Conclusion, Limits};
use super::launch::Launch;
use super::machine::Nest;
use super::names::Names;
use super::observe::disk_reads::FileMap;
use super::outcome::{Ended, HostFacts, LaunchFinding, Outcome};
use super::stages::Stages;
use super::timeline::{Event, Observation, Source};
use super::trouble::{BootError, HostTrouble, Kind};
use attempt::Attempt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

/// Says what is conclusive in a timeline. Injected, because judging is not for this module.
pub type Conclude<'a> = &'a dyn Fn(&[Observation], &Stages, &Names) -> Option<Conclusion>;

/// Makes a launch for an accelerator, in a private directory.
pub type MakeLaunch<'a> = &'a dyn Fn(Accel, &Path) -> Result<Launch, BootError>;

/// Gets everything as it happens: progress displays, recordings.
pub trait Watcher {
    /// An observation, in the order of arrival.
    fn observed(&mut self, seen: &Observation, stages: &Stages);
    /// A sign that time passes; seconds since the start.
    fn tick(&mut self, _now: f64) {}
    /// The machine is started again with another accelerator: what was observed so far is void.
    fn restarted(&mut self, _reason: &str) {}
}

/// A boot to be run.
pub struct Plan<'a> {
    /// This program, for the keeper; none = the running one.
    pub executable: Option<&'a Path>,
    /// The image's path as QEMU opens it.
    pub image: PathBuf,
    /// Makes the machine.
    pub launch: MakeLaunch<'a>,
    /// Which accelerator.
    pub accel: Choice,
    /// Names of the image.
    pub names: Names,
    /// Limits.
    pub limits: Limits,
    /// Makes the map of files on the image; runs on a thread of its own while the machine starts.
    pub file_map: Box<dyn FnOnce() -> FileMap + Send>,
    /// Host facts known so far.
    pub host: HostFacts,
    /// What is wrong with the launch.
    pub launch_findings: Vec<LaunchFinding>,
    /// Judge of conclusive evidence.
    pub conclude: Conclude<'a>,
    /// The arguments are a start script's: when QEMU refuses them, that is a verdict and no trouble of the host.
    pub script: bool,
    /// Signals (SIGINT, SIGTERM, SIGHUP) that the program got.
    pub interrupts: Option<Receiver<i32>>,
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// How one attempt came out.
enum Result1 {
    Done(Box<attempt::Finished>),
    KvmFailed(String),
}

/// Runs the boot to its end.
pub fn run(mut plan: Plan<'_>, watcher: &mut dyn Watcher) -> Result<Outcome, BootError> {
    let mut accels = Vec::new();
    if plan.accel != Choice::Tcg {
        match kvm_device(Path::new("/dev/kvm")) {
            Ok(()) => accels.push(Accel::Kvm),
            Err(reason) if plan.accel == Choice::Kvm => return Err(no_kvm(&reason).into()),
            Err(reason) => plan.host.kvm_trouble = Some(reason),
        }
    }
    if plan.accel != Choice::Kvm {
        accels.push(Accel::Tcg);
    }
    let map = Arc::new(OnceLock::new());
    let make_map = std::mem::replace(&mut plan.file_map, Box::new(FileMap::default));
    let slot = Arc::clone(&map);
    std::thread::spawn(move || slot.set(make_map()));
    for accel in accels {
        let nest = Nest::new(plan.executable)?;
        let launch = (plan.launch)(accel, nest.dir())?;
        let (sender, receiver) = channel();
        forward_interrupts(plan.interrupts.take(), &sender);
        let attempt = Attempt {
            plan: &plan,
            accel,
            launch: &launch,
            sender,
            receiver,
        };
        match attempt.run(nest, &map, watcher)? {
            Result1::Done(finished) => return Ok(outcome(plan, accel, launch, *finished)),
            Result1::KvmFailed(reason) if plan.accel == Choice::Kvm => {
                return Err(no_kvm(&reason).into());
            }
            Result1::KvmFailed(reason) => {
                watcher.restarted(&reason);
                plan.host.kvm_trouble = Some(reason);
            }
        }
    }
    Err(BootError::Usage("no accelerator was left to try".into()))
}

fn no_kvm(reason: &str) -> HostTrouble {
    let missing = [
        "is not there",
        "no permission",
        "KVM kernel module",
        "initialize kvm",
    ];
    let kind = if missing.iter().any(|word| reason.contains(word)) {
        Kind::KvmMissing
    } else {
        Kind::KvmBroken
    };
    HostTrouble::new(
        kind,
        format!("KVM does not work on this host: {reason}"),
        "boot with --accel tcg (slower), or without --accel to fall back by itself",
    )
}

/// Interrupts reach the engine by the same channel as everything else.
fn forward_interrupts(interrupts: Option<Receiver<i32>>, sender: &Sender<Message>) {
    if let Some(interrupts) = interrupts {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for signal in interrupts {
                if sender.send(Message::Interrupt(signal)).is_err() {
                    return;
                }
            }
        });
    }
}

fn outcome(plan: Plan<'_>, accel: Accel, launch: Launch, finished: attempt::Finished) -> Outcome {
    let mut host = plan.host;
    host.accel = Some(accel.name().to_owned());
    let mut timeline = finished.timeline;
    if let Some(reason) = &host.kvm_trouble {
        let text = format!("KVM is not used: {reason}");
        timeline.push(Observation {
            t: 0.0,
            source: Source::Doctor,
            event: Event::Note { text },
        });
    }
    timeline.sort_by(|a, b| a.t.total_cmp(&b.t));
    Outcome {
        image: Some(plan.image.display().to_string()),
        host,
        command: launch
            .argv
            .iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect(),
        added_by_doctor: launch.added,
        blind: finished.blind,
        names: plan.names,
        timeline,
        stages: finished.stages,
        ended: finished.ended,
        launch_findings: plan.launch_findings,
    }
}

/// The end of a run that was not tried because the user stopped it before the machine ran.
pub fn interrupted(signal: i32) -> Ended {
    Ended::Interrupted { signal }
}
