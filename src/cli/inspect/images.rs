//! Which images the arguments mean.

use crate::cli::output::Failure;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Files as given; directories give their disk images; patterns their matches. Sorted within each argument, so the order is
/// stable; an image that was meant twice is taken once.
pub fn images(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy();
        let before = found.len();
        if argument.is_dir() {
            directory(argument, &mut found)?;
            if found.len() == before {
                return Err(Failure::unjudged(format!(
                    "{text}: the directory has no disk image (*.wic, *.img, *.raw)"
                )));
            }
        } else if !argument.exists() && text.contains(['*', '?', '[']) {
            for path in matches(&text)? {
                match path.is_dir() {
                    true => directory(&path, &mut found)?,
                    false => found.push(path),
                }
            }
            if found.len() == before {
                return Err(Failure::usage(format!("no file matches `{text}`")));
            }
        } else {
            found.push(argument.clone());
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn directory(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let dir = dir.to_string_lossy();
    let dir = glob::Pattern::escape(dir.trim_end_matches('/'));
    let mut here = Vec::new();
    for suffix in ["wic", "img", "raw"] {
        let mut files = matches(&format!("{dir}/**/*.{suffix}"))?;
        // An initrd is an .img as well, and stands beside the disk image in a deploy directory.
        files.retain(|path| path.is_file() && (suffix == "wic" || has_partition_table(path)));
        here.extend(files);
    }
    here.sort();
    found.extend(here);
    Ok(())
}

/// The signature of an MBR, which a GPT has too.
fn has_partition_table(path: &Path) -> bool {
    let mut signature = [0; 2];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(510))?;
        file.read_exact(&mut signature)
    });
    read.is_ok() && signature == [0x55, 0xaa]
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let paths =
        glob::glob(pattern).map_err(|e| Failure::usage(format!("bad pattern `{pattern}`: {e}")))?;
    let mut here: Vec<PathBuf> = paths.filter_map(Result::ok).collect();
    here.sort();
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_disks_and_no_initrd() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = vec![0; 512];
        disk[510..].copy_from_slice(&[0x55, 0xaa]);
        for (name, bytes) in [
            ("b.img", &disk[..]),
            ("initrd.img", b"070701"),
            ("a.wic", b""),
            ("c.raw", &disk),
            ("d.txt", &disk),
        ] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let names = |arguments: &[PathBuf]| -> Vec<String> {
            let found = images(arguments).unwrap();
            let names = found.iter().map(|p| p.file_name().unwrap_or_default());
            names.map(|n| n.to_string_lossy().into_owned()).collect()
        };
        let here = dir.path().to_owned();
        assert_eq!(
            names(std::slice::from_ref(&here)),
            ["a.wic", "b.img", "c.raw"]
        );
        let twice = [here.join("c.raw"), here.clone(), here.join("*.wic")];
        assert_eq!(names(&twice), ["c.raw", "a.wic", "b.img"]);
        assert!(images(&[here.join("*.iso")]).is_err());
    }
}
