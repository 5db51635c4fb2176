//! The kernel that the loader starts is whole.

use super::{Answer, Check, Context, Violation};
use crate::known;
use serde::Deserialize;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelImage {}

impl Check for KernelImage {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let kernel = known!(cx.facts.kernel);
        if kernel.size == 0 {
            return Answer::NotApplicable;
        }
        if let Some(damage) = &kernel.damage {
            return Answer::Violated(vec![Violation::at(
                kernel.location.clone(),
                format!("the kernel is damaged: {}", damage.message),
            )]);
        }
        let image = cx
            .facts
            .rootfs
            .known()
            .and_then(|r| r.architecture.as_deref());
        match (&kernel.architecture, image) {
            (Some(own), Some(wanted)) if own != wanted => Answer::Violated(vec![Violation::at(
                kernel.location.clone(),
                format!("the kernel is for {own}, and the root file system for {wanted}"),
            )]),
            _ if kernel.format == "unknown" => Answer::Violated(vec![Violation::at(
                kernel.location.clone(),
                "the file is no Linux kernel",
            )]),
            _ => Answer::Satisfied,
        }
    }
}
