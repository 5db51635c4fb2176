//! `root=` leads to a root file system that can be mounted.

use super::{Answer, Check, Context, Violation};
use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::error::{ErrorKind, Fact};
use crate::inspect::fstab::DeviceMatch;
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The device exists on this disk.
    Exists,
    /// Its name is not one of another bus.
    NotOtherBus,
    /// The file system is whole.
    Whole,
    /// It needs no repair by hand.
    Clean,
    /// `rootfstype=` names its type.
    TypeFits,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootResolves {
    /// What is judged.
    pub aspect: Aspect,
}

fn at(cx: &Context<'_>, message: String) -> Violation {
    let word = cx.facts.cmdline.known().and_then(|c| c.word("root"));
    match word.and_then(|w| w.place.as_ref()) {
        Some((origin, _)) => Violation::at_line(origin, message),
        None => match cx.facts.cmdline.known().and_then(|c| c.origins.first()) {
            Some(origin) => Violation::at_line(origin, message),
            None => Violation::at(Location::default(), message),
        },
    }
}

/// The last word counts; it may list several types. ext4 is mounted as ext2 or ext3 when its features allow it, so those
/// are left alone.
fn wrong_type(fs_type: &str, cmdline: &CmdlineFacts) -> Option<Violation> {
    let word = cmdline.word("rootfstype")?;
    let asked = word.value.as_deref().filter(|v| !v.is_empty())?;
    let fits = |one: &str| {
        one == "auto" || one == fs_type || (one.starts_with("ext") && fs_type.starts_with("ext"))
    };
    if asked.split(',').any(fits) {
        return None;
    }
    let message = format!(
        "`rootfstype={asked}` is on the kernel command line, and the root file system is {fs_type}: it cannot be mounted"
    );
    let (origin, _) = word.place.as_ref()?;
    Some(Violation::at_line(origin, message))
}

impl Check for RootResolves {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        match self.aspect {
            Aspect::Exists => {
                let root = known!(cx.facts.root);
                match (&root.spec, &root.device) {
                    (Some(spec), DeviceMatch::Missing) => Answer::Violated(vec![at(cx, format!("`root={spec}` names a partition that this disk does not have"))]),
                    (None, DeviceMatch::Missing) => Answer::Violated(vec![at(cx, "there is no root= on the command line, and no partition that would be found without one".into())]),
                    (_, DeviceMatch::Unknown(why)) => Answer::CannotTell { reason: why.clone(), location: Location::default() },
                    _ => Answer::Satisfied,
                }
            }
            Aspect::NotOtherBus => {
                let root = known!(cx.facts.root);
                match (&root.spec, &root.device) {
                    (Some(spec), DeviceMatch::OtherBus(_)) => Answer::Violated(vec![at(
                        cx,
                        format!(
                            "`root={spec}` names a disk by its bus; the test driver attaches it as virtio, where it is /dev/vda"
                        ),
                    )]),
                    _ => Answer::Satisfied,
                }
            }
            Aspect::Whole => match &cx.facts.rootfs {
                Fact::Unreadable(error) if error.kind == ErrorKind::Corrupt => {
                    Answer::Violated(vec![Violation::at(
                        error.location.clone(),
                        format!("the root file system cannot be mounted: {}", error.message),
                    )])
                }
                Fact::Unreadable(error) => Answer::unreadable(error),
                Fact::Absent => Answer::NotApplicable,
                Fact::Known(rootfs) => Answer::from_option(rootfs.damage.as_ref().map(|d| {
                    Violation::at(
                        d.location.clone(),
                        format!("the root file system cannot be mounted: {}", d.message),
                    )
                })),
            },
            Aspect::TypeFits => {
                let rootfs = known!(cx.facts.rootfs);
                let cmdline = known!(cx.facts.cmdline);
                Answer::from_option(wrong_type(&rootfs.fs_type, cmdline))
            }
            Aspect::Clean => {
                let rootfs = known!(cx.facts.rootfs);
                Answer::from_option(rootfs.dirty.as_ref().map(|why| {
                    Violation::at(
                        Location::partition(&rootfs.partition),
                        format!("the root file system is not clean: {why}"),
                    )
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;

    #[test]
    fn the_type_on_the_command_line_has_to_fit() {
        let judge = |words: &str| {
            let mut facts = testing::healthy();
            testing::cmdline(&mut facts, words);
            let check = RootResolves {
                aspect: Aspect::TypeFits,
            };
            check.judge(&Context::new(&facts))
        };
        for words in ["rootfstype=btrfs", "rootfstype=ext4 rootfstype=xfs,btrfs"] {
            assert!(matches!(judge(words), Answer::Violated(_)), "{words}");
        }
        for words in [
            "quiet",
            "rootfstype=ext4",
            "rootfstype=btrfs,ext4",
            "rootfstype=ext2",
            "rootfstype=auto",
        ] {
            assert_eq!(judge(words), Answer::Satisfied, "{words}");
        }
    }
}
