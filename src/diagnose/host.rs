//! QEMU itself and what it was given: an internal error, an early end, too little memory, a guest that reset itself.

use super::Case;
use super::candidate::{Candidate, evidence_of};
use super::progress::critical_point;
use super::verdict::Blame;
use crate::boot::arguments;
use crate::boot::outcome::Ended;
use crate::boot::timeline::{Event, Observation};
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// OVMF needs 128 MiB and more (`PcdPlatformMemory…`); with less it hangs without a word.
const FIRMWARE_MIB: u64 = 128;

/// What QEMU, not the guest, shows.
pub fn candidate(case: &Case<'_>) -> Option<Candidate> {
    internal_error(case)
        .or_else(|| memory(case))
        .or_else(|| gone(case))
}

fn internal_error(case: &Case<'_>) -> Option<Candidate> {
    let seen = case
        .timeline
        .iter()
        .find(|o| matches!(&o.event, Event::RunState { state } if state == "internal-error"))?;
    Some(
        Candidate::new(
            Stage::Host,
            Cp::Host,
            "kvm-broken",
            "the virtual machine stopped with an internal error",
        )
        .specific(7)
        .blame(Blame::Host)
        .because([evidence_of(seen, "run state internal-error")]),
    )
}

/// A firmware that shows nothing and has less memory than it needs.
fn memory(case: &Case<'_>) -> Option<Candidate> {
    let mib = arguments::memory(&arguments::parse(case.command))? >> 20;
    let silent = !case.stages.reached(Stage::Bootloader);
    (silent && mib < FIRMWARE_MIB).then(|| {
        Candidate::new(
            Stage::Firmware,
            Cp::Host,
            "memory-too-small",
            format!("{mib} MiB of memory are too little for the firmware"),
        )
        .specific(5)
        .inferred()
        .blame(Blame::Launch)
    })
}

/// QEMU ended by itself.
fn gone(case: &Case<'_>) -> Option<Candidate> {
    if !matches!(case.ended, Some(Ended::MachineGone)) {
        return None;
    }
    let exit = case
        .timeline
        .iter()
        .rev()
        .find(|o| matches!(o.event, Event::QemuExit { .. }));
    if !case.stages.reached(Stage::Firmware) {
        let exit = exit?;
        return Some(
            Candidate::new(
                Stage::Host,
                Cp::Host,
                "qemu-exited",
                "QEMU ended before the firmware ran",
            )
            .specific(1)
            .blame(Blame::Host)
            .because([evidence_of(exit, exit_words(exit))]),
        );
    }
    let shutdown = case.timeline.iter().rev().find_map(|o| match &o.event {
        Event::Qmp { name, data } if name == "SHUTDOWN" => {
            Some((o, data.get("reason")?.as_str()?.to_owned()))
        }
        _ => None,
    });
    let stage = case.stages.first_missing().unwrap_or(Stage::Shell);
    let (seen, reason) = shutdown?;
    let cause = match reason.as_str() {
        "guest-shutdown" => "the guest powered itself off",
        "guest-panic" => "the guest panicked",
        _ => "the guest reset itself: a panic with panic=, a triple fault, or a reboot",
    };
    Some(
        Candidate::new(stage, critical_point(stage), "guest-reset", cause)
            .specific(1)
            .because([evidence_of(seen, format!("SHUTDOWN, reason {reason}"))]),
    )
}

fn exit_words(exit: &Observation) -> String {
    match &exit.event {
        Event::QemuExit {
            signal: Some(signal),
            ..
        } => format!("QEMU was ended by signal {signal}"),
        Event::QemuExit {
            code: Some(code), ..
        } => format!("QEMU ended with exit code {code}"),
        _ => "QEMU ended".to_owned(),
    }
}
