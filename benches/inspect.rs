//! `make bench`: inspect as a whole process, warm, on a real image; figures are printed, never asserted.
//!
//! Each figure is the median of several runs, taken in turn with what it is compared to, so that a machine whose speed
//! drifts does not favour one side.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot run"
)]
#![allow(missing_docs, reason = "a benchmark has no interface")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const RUNS: usize = 11;

fn doctor() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_isar-doctor"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn image(name: &str) -> PathBuf {
    let out = Command::new(root().join("fixtures/build"))
        .arg(name)
        .stderr(Stdio::inherit())
        .output()
        .expect("fixtures/build runs");
    assert!(out.status.success());
    PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
}

/// Milliseconds of one run.
fn once(program: &Path, args: &[&str]) -> f64 {
    let start = Instant::now();
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program runs");
    let _ = status;
    start.elapsed().as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of commands run in turn.
fn paired(commands: &[(&Path, Vec<&str>)]) -> Vec<f64> {
    let mut times = vec![Vec::new(); commands.len()];
    for run in 0..=RUNS {
        for (n, (program, args)) in commands.iter().enumerate() {
            let ms = once(program, args);
            if run > 0 {
                times[n].push(ms);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// Peak memory in MiB by `/usr/bin/time`, when it is there.
fn peak(args: &[&str]) -> Option<f64> {
    let out = Command::new("/usr/bin/time")
        .args(["-f", "%M"])
        .arg(doctor())
        .args(args)
        .stdout(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8_lossy(&out.stderr)
        .lines()
        .last()?
        .trim()
        .parse::<f64>()
        .ok()
        .map(|kib| kib / 1024.0)
}

/// A sparse copy of `image` in a disk of 64 GiB.
fn grown(image: &Path, dir: &Path) -> PathBuf {
    let to = dir.join("64g.wic");
    let status = Command::new("cp")
        .arg("--sparse=always")
        .arg(image)
        .arg(&to)
        .status()
        .unwrap();
    assert!(status.success());
    File::options()
        .write(true)
        .open(&to)
        .unwrap()
        .set_len(64 << 30)
        .unwrap();
    to
}

fn main() {
    let image = image("healthy");
    let text = image.to_str().unwrap();
    let doctor = doctor();
    let scratch = tempfile::Builder::new()
        .prefix("bench")
        .tempdir_in(root().join("target"))
        .unwrap();

    // The initrd by itself, for the tool that decompresses it.
    let disk = isar_doctor::inspect::disk::open(&image).unwrap();
    let facts =
        isar_doctor::inspect::inspect(&image, &isar_doctor::inspect::Options::default()).unwrap();
    let place = facts
        .initrd
        .known()
        .and_then(|i| i.files.first().cloned())
        .expect("the image has an initrd");
    let table = isar_doctor::inspect::partitions::read(&disk).unwrap();
    let partition = table
        .partitions
        .iter()
        .find(|p| Some(&p.id) == place.partition.as_ref())
        .unwrap();
    let fs = isar_doctor::inspect::filesystem::open(&disk, partition).unwrap();
    let initrd = scratch.path().join("initrd");
    std::fs::write(
        &initrd,
        fs.read(place.path.as_deref().unwrap(), 1 << 30).unwrap(),
    )
    .unwrap();

    let big = grown(&image, scratch.path());
    let zstd = Path::new("/usr/bin/zstd");
    let times = paired(&[
        (
            &doctor,
            vec!["inspect", "--format", "json", "--no-initrd", text],
        ),
        (&doctor, vec!["inspect", "--format", "json", text]),
        (zstd, vec!["-dcq", initrd.to_str().unwrap()]),
        (
            &doctor,
            vec![
                "inspect",
                "--format",
                "json",
                "--no-initrd",
                big.to_str().unwrap(),
            ],
        ),
        (&doctor, vec!["--version"]),
    ]);
    println!(
        "inspect, whole process, warm, median of {RUNS} paired runs; image of {} MiB, initrd of {:.1} MiB",
        std::fs::metadata(&image).unwrap().len() >> 20,
        std::fs::metadata(&initrd).unwrap().len() as f64 / 1048576.0
    );
    println!("  process alone (--version)          {:8.1} ms", times[4]);
    println!("  inspect --no-initrd                {:8.1} ms", times[0]);
    println!("  inspect                            {:8.1} ms", times[1]);
    println!(
        "  zstd -dc of the initrd             {:8.1} ms   inspect / zstd = {:.2}",
        times[2],
        times[1] / times[2]
    );
    println!(
        "  the same in a 64 GiB sparse disk   {:8.1} ms   64 GiB / 1 GiB = {:.2}",
        times[3],
        times[3] / times[0]
    );
    println!(
        "  bytes read                         {:8.1} MiB of {:.1} MiB",
        facts.image.bytes_read as f64 / 1048576.0,
        facts.image.size as f64 / 1048576.0
    );
    if let Some(mib) = peak(&["inspect", text]) {
        println!("  peak memory                        {mib:8.1} MiB");
    }
}
