//! When a boot has said enough to stop watching it.

use super::candidate::stands;
use super::device;
use super::patterns::{Hit, Weight, scan_one};
use super::unit_outcome::{Outcome, UnitNames, outcome};
use super::words;
use crate::boot::names::Names;
use crate::boot::stages::Stages;
use crate::boot::timeline::Observation;
use crate::stage::Stage;

/// Evidence that the boot will not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// The evidence as a line.
    pub evidence: String,
    /// Watch this many seconds more, from the time of the evidence, for what explains it.
    pub linger: f64,
    /// Host time of the evidence.
    pub t: f64,
}

/// A unit that was skipped for want of its device: how long the device may take to come. Its arrival tells a race from
/// a device that never comes.
const DEVICE_MAY_COME: f64 = 20.0;

/// Looks for conclusive evidence. Cheap enough to call after each new observation of a kind that carries text.
pub fn conclusive(
    timeline: &[Observation],
    stages: &Stages,
    names: &Names,
    description: Option<&str>,
) -> Option<Conclusion> {
    if stages.reached(Stage::Shell) {
        return None;
    }
    let fatal = timeline
        .iter()
        .enumerate()
        .flat_map(|(i, o)| scan_one(i, o))
        .find(|hit| hit.pattern.weight == Weight::Fatal && stands(hit, stages));
    if let Some(hit) = fatal {
        return Some(Conclusion {
            evidence: hit.text.clone(),
            linger: linger_after(&hit),
            t: hit.t,
        });
    }
    if let Some(found) = network_after_disk(timeline, stages) {
        return Some(found);
    }
    let unit = UnitNames {
        name: names.unit.clone(),
        description: description.map(str::to_owned),
    };
    let found = outcome(timeline, &unit);
    let at = timeline.get(found.index?)?;
    let linger = match found.outcome {
        Outcome::Skipped { .. } => {
            let bound = device::state(timeline, &names.profile.module).bound;
            bound.map_or(DEVICE_MAY_COME, |b| (b - at.t).max(0.0) + 1.0)
        }
        Outcome::ExecFailed { .. }
        | Outcome::SetupFailed { .. }
        | Outcome::BadSetting { .. }
        | Outcome::AssertFailed { .. }
        | Outcome::DependencyFailed { .. }
        | Outcome::DeletedFromCycle
        | Outcome::Failed {
            start_limit: true, ..
        } => 2.0,
        _ => return None,
    };
    Some(Conclusion {
        evidence: words::text(at)?.to_owned(),
        linger,
        t: at.t,
    })
}

/// The firmware could not start the disk and goes on to the network, where each attempt takes a minute. What the image has
/// to say has been said.
fn network_after_disk(timeline: &[Observation], stages: &Stages) -> Option<Conclusion> {
    let mut refused = false;
    let hits = timeline
        .iter()
        .enumerate()
        .flat_map(|(i, o)| scan_one(i, o))
        .filter(|hit| hit.pattern.stage == Stage::Firmware && stands(hit, stages));
    for hit in hits {
        if hit.text.contains("BdsDxe: failed to") {
            refused = true;
        } else if refused && hit.text.contains(">>Start ") {
            return Some(Conclusion {
                evidence: hit.text.clone(),
                linger: 2.0,
                t: hit.t,
            });
        }
    }
    None
}

/// Emergency mode and prompts come with explanations around them; a panic has said all it can.
fn linger_after(hit: &Hit) -> f64 {
    match hit.pattern.stage {
        Stage::Host => 0.5,
        Stage::Shell => 5.0,
        _ => 1.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::timeline::{Event, Source};
    use crate::profile::Profile;

    fn ends(lines: &[&str]) -> bool {
        let timeline: Vec<_> = lines
            .iter()
            .zip(1u8..)
            .map(|(text, t)| Observation {
                t: f64::from(t),
                source: Source::Serial,
                event: Event::SerialLine {
                    port: 0,
                    text: (*text).into(),
                    partial: false,
                },
            })
            .collect();
        let names = Names::from_profile(&Profile::default());
        conclusive(&timeline, &Stages::default(), &names, None).is_some()
    }

    #[test]
    fn the_network_after_a_refused_disk_is_the_end() {
        let refused = "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x4,0x0): Not Found";
        let network = ">>Start PXE over IPv4.";
        assert!(ends(&[refused, network]));
        assert!(
            !ends(&[network]),
            "the network may come first in the boot order"
        );
        assert!(!ends(&[refused]));
    }
}
