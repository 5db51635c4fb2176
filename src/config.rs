//! A team's configuration: `.isar-doctor.yaml`, found upwards from the working directory.

pub mod date;
pub mod model;
pub mod place;
pub mod read;
mod semantic;

pub use model::{BootDefaults, Config, FailOn, Level, Suppression};

use crate::rules::load::RuleError;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE_NAME: &str = ".isar-doctor.yaml";

/// A configuration is a few lines; more than this is another file by mistake.
const MAX_SIZE: u64 = 1 << 20;

/// A mistake in the configuration, or in a rule file that it names.
pub type Mistake = RuleError;

/// A configuration and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// Its directory: what relative paths are relative to.
    pub dir: PathBuf,
    /// What it says.
    pub config: Config,
}

impl Loaded {
    /// A path of the file, as seen from the working directory.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// The extra rule directories.
    pub fn rule_dirs(&self) -> Vec<PathBuf> {
        let dirs = self.config.rule_dirs.iter();
        dirs.map(|d| self.resolve(d)).collect()
    }

    /// The image patterns; a relative one starts at the file's directory.
    pub fn images(&self) -> Vec<PathBuf> {
        self.config
            .images
            .iter()
            .map(|pattern| match Path::new(pattern).is_absolute() {
                true => PathBuf::from(pattern),
                false => {
                    let dir = self.dir.display().to_string();
                    Path::new(&glob::Pattern::escape(&dir)).join(pattern)
                }
            })
            .collect()
    }

    /// The profile: a name as it is, a file from the file's directory.
    pub fn profile(&self) -> Option<String> {
        let name = self.config.profile.as_ref()?;
        Some(match is_profile_file(name) {
            true => self.resolve(Path::new(name)).display().to_string(),
            false => name.clone(),
        })
    }
}

fn is_profile_file(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The configuration of a directory or of the nearest one above it.
pub fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|dir| dir.join(FILE_NAME))
        .find(|file| file.is_file())
}

/// Reads a file; every mistake of it is told.
pub fn load(file: &Path) -> Result<Loaded, Vec<Mistake>> {
    let name = file.display().to_string();
    let fail = |message: String| {
        vec![Mistake {
            file: name.clone(),
            line: None,
            column: None,
            message,
        }]
    };
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(MAX_SIZE + 1).read_to_string(&mut text))
        .map_err(|e| fail(format!("cannot be read: {e}")))?;
    if text.len() as u64 > MAX_SIZE {
        return Err(fail(
            "has more than 1 MiB and cannot be a configuration".into(),
        ));
    }
    let dir = file.parent().filter(|p| !p.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new(".")).to_owned();
    let config = read::read(&name, &dir, &text)?;
    Ok(Loaded {
        file: file.to_owned(),
        dir,
        config,
    })
}

/// The JSON Schema for editors.
pub fn schema() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&schemars::schema_for!(Config)).map(|t| t + "\n")
}
