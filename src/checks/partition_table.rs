//! The partition table and the ESP's entry in it.

use super::{Answer, Check, Context, Violation};
use crate::inspect::error::Fact;
use crate::inspect::partitions::{ESP_TYPE, GptCopy, TableKind};
use crate::inspect::source::Location;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Some table can be read.
    Readable,
    /// The primary GPT is good.
    Primary,
    /// The backup GPT is good.
    Backup,
    /// The ESP has the ESP's type.
    EspType,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionTable {
    /// What is judged.
    pub aspect: Aspect,
}

fn bad(copy: &Option<GptCopy>) -> Option<String> {
    match copy {
        Some(GptCopy::Corrupt(error)) => Some(error.message.clone()),
        Some(GptCopy::Missing) => Some("it is not there".into()),
        Some(GptCopy::Good) | None => None,
    }
}

impl Check for PartitionTable {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let disk = match (&cx.facts.disk, self.aspect) {
            (Fact::Known(disk), _) => disk,
            (Fact::Unreadable(error), Aspect::Readable) => {
                return Answer::Violated(vec![Violation::at(
                    error.location.clone(),
                    error.message.clone(),
                )]);
            }
            (other, _) => return Answer::without(other),
        };
        if disk.table != TableKind::Gpt {
            return Answer::NotApplicable;
        }
        let sector = u64::from(disk.sector_size);
        let primary_place = || Location::image().at_offset(sector);
        let backup_place =
            || Location::image().at_offset(cx.facts.image.size.saturating_sub(sector));
        match (self.aspect, bad(&disk.primary), bad(&disk.backup)) {
            (Aspect::Readable, Some(primary), Some(backup)) => Answer::Violated(vec![
                Violation::at(
                    primary_place(),
                    "neither copy of the GPT can be read, so firmware and kernel see no partitions",
                )
                .because([format!("primary: {primary}"), format!("backup: {backup}")]),
            ]),
            (Aspect::Primary, Some(why), None) => Answer::Violated(vec![Violation::at(
                primary_place(),
                format!(
                    "the primary GPT is damaged ({why}); the backup at the end of the disk is used"
                ),
            )]),
            (Aspect::Backup, None, Some(why)) => Answer::Violated(vec![Violation::at(
                backup_place(),
                format!("the backup GPT is damaged ({why}): was the image truncated or grown?"),
            )]),
            (Aspect::EspType, ..) => {
                let Some(esp) = disk
                    .esp
                    .as_ref()
                    .and_then(|id| disk.partitions.iter().find(|p| p.id == *id))
                else {
                    return Answer::NotApplicable;
                };
                Answer::from_option((esp.type_id != ESP_TYPE).then(|| {
                    let shown = esp.type_name.as_deref().unwrap_or(&esp.type_id);
                    Violation::at(Location::partition(&esp.id), format!("the partition with the boot loader has type `{shown}`, not EFI system: OVMF starts it, but the loader and tools such as bootctl see no ESP")).by_isar()
                }))
            }
            _ => Answer::Satisfied,
        }
    }
}
