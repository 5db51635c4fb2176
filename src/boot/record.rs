//! Recordings: everything a boot showed, small enough to keep, complete enough to judge again.
//!
//! A directory with `meta.json` (what was booted and how) and `timeline.jsonl.zst` (one observation per line). Stages are not
//! recorded: a replay finds them again.

use super::names::Names;
use super::outcome::{Ended, HostFacts, LaunchFinding, Outcome};
use super::stages::machine::StageMachine;
use super::timeline::{Event, Observation};
use crate::diagnose::Predicted;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Version of the format.
const SCHEMA: &str = "isar-doctor/recording/1";
const META: &str = "meta.json";
const TIMELINE: &str = "timeline.jsonl.zst";
/// zstd level: a healthy boot takes 40 KiB.
const LEVEL: i32 = 12;
/// Bounds for what is read back.
const META_CAP: u64 = 16 << 20;
const TIMELINE_CAP: u64 = 1 << 30;
const LINE_CAP: u64 = 8 << 20;

/// All but the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meta {
    schema: String,
    image: Option<String>,
    host: HostFacts,
    command: Vec<String>,
    added_by_doctor: Vec<String>,
    blind: Vec<String>,
    names: Names,
    ended: Ended,
    launch_findings: Vec<LaunchFinding>,
    predicted: Vec<Predicted>,
}

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct RecordError {
    /// File or directory.
    pub path: PathBuf,
    /// Reason.
    pub reason: String,
}

fn error(path: &Path, reason: impl ToString) -> RecordError {
    RecordError {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Writes a recording; the directory is made, files in it are replaced.
pub fn write(dir: &Path, outcome: &Outcome, predicted: &[Predicted]) -> Result<(), RecordError> {
    fs::create_dir_all(dir).map_err(|e| error(dir, e))?;
    let meta = Meta {
        schema: SCHEMA.to_owned(),
        image: outcome.image.clone(),
        host: outcome.host.clone(),
        command: outcome.command.clone(),
        added_by_doctor: outcome.added_by_doctor.clone(),
        blind: outcome.blind.clone(),
        names: outcome.names.clone(),
        ended: outcome.ended.clone(),
        launch_findings: outcome.launch_findings.clone(),
        predicted: predicted.to_vec(),
    };
    let path = dir.join(META);
    let mut text = serde_json::to_vec_pretty(&meta).map_err(|e| error(&path, e))?;
    text.push(b'\n');
    fs::write(&path, text).map_err(|e| error(&path, e))?;
    let path = dir.join(TIMELINE);
    write_timeline(&path, &outcome.timeline).map_err(|e| error(&path, e))
}

fn write_timeline(path: &Path, timeline: &[Observation]) -> std::io::Result<()> {
    let mut encoder = zstd::Encoder::new(File::create(path)?, LEVEL)?;
    for seen in timeline {
        if !matches!(seen.event, Event::StageReached { .. }) {
            serde_json::to_writer(&mut encoder, seen)?;
            encoder.write_all(b"\n")?;
        }
    }
    encoder.finish()?.flush()
}

/// Reads a recording back: the outcome with its stages found anew, and what inspect had said.
pub fn read(dir: &Path) -> Result<(Outcome, Vec<Predicted>), RecordError> {
    let path = dir.join(META);
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|f| f.take(META_CAP).read_to_end(&mut text))
        .map_err(|e| error(&path, e))?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|e| error(&path, e))?;
    if meta.schema != SCHEMA {
        return Err(error(
            &path,
            format!(
                "written by another version of isar-doctor ({})",
                meta.schema
            ),
        ));
    }
    let path = dir.join(TIMELINE);
    let recorded = read_timeline(&path)?;
    let mut machine = StageMachine::new(meta.names.clone());
    let mut timeline = Vec::with_capacity(recorded.len() + 16);
    for seen in recorded {
        let reached = machine.take(&seen);
        let t = seen.t;
        timeline.push(seen);
        timeline.extend(
            reached
                .into_iter()
                .filter_map(|stage| machine.reached_event(stage, t)),
        );
    }
    timeline.sort_by(|a, b| a.t.total_cmp(&b.t));
    let outcome = Outcome {
        image: meta.image,
        host: meta.host,
        command: meta.command,
        added_by_doctor: meta.added_by_doctor,
        blind: meta.blind,
        names: meta.names,
        timeline,
        stages: machine.into_stages(),
        ended: meta.ended,
        launch_findings: meta.launch_findings,
    };
    Ok((outcome, meta.predicted))
}

fn read_timeline(path: &Path) -> Result<Vec<Observation>, RecordError> {
    let file = File::open(path).map_err(|e| error(path, e))?;
    let decoder = zstd::Decoder::new(file).map_err(|e| error(path, e))?;
    let mut reader = BufReader::new(decoder.take(TIMELINE_CAP));
    let mut timeline = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LINE_CAP)
            .read_until(b'\n', &mut line)
            .map_err(|e| error(path, e))?;
        if read == 0 {
            return Ok(timeline);
        }
        let seen = serde_json::from_slice(&line)
            .map_err(|e| error(path, format!("line {}: {e}", timeline.len() + 1)))?;
        timeline.push(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::stages::Stages;
    use crate::boot::timeline::Source;
    use crate::profile::Profile;
    use crate::stage::Stage;

    fn outcome() -> Outcome {
        let names = Names::from_profile(&Profile::default());
        let line = |t: f64, text: &str| Observation {
            t,
            source: Source::Serial,
            event: Event::SerialLine {
                port: 0,
                text: text.to_owned(),
                partial: false,
            },
        };
        Outcome {
            image: Some("x.wic".into()),
            host: HostFacts::default(),
            command: vec!["qemu".into()],
            added_by_doctor: vec![],
            blind: vec![],
            names,
            timeline: vec![
                line(1.0, "BdsDxe: loading Boot0001"),
                line(2.5, "[    0.000000] Linux version 6.1"),
            ],
            stages: Stages::default(),
            ended: Ended::Quiet { seconds: 8.0 },
            launch_findings: vec![],
        }
    }

    #[test]
    fn what_was_written_is_read_with_its_stages() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("new");
        write(&dir, &outcome(), &[]).unwrap();
        let (read, predicted) = super::read(&dir).unwrap();
        assert!(predicted.is_empty());
        assert_eq!(read.stages.furthest(), Some(Stage::Kernel));
        assert_eq!(read.ended, Ended::Quiet { seconds: 8.0 });
        // Reading what a replay would write again gives the same.
        let again = directory.path().join("again");
        write(&again, &read, &[]).unwrap();
        assert_eq!(super::read(&again).unwrap().0, read);
    }

    #[test]
    fn a_damaged_recording_names_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        assert!(super::read(dir).unwrap_err().to_string().contains(META));
        write(dir, &outcome(), &[]).unwrap();
        let path = dir.join(TIMELINE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(&path, bytes).unwrap();
        assert!(super::read(dir).unwrap_err().to_string().contains(TIMELINE));
    }
}
