//! Collects the rule files, so that a new rule needs no line of code.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=rules");
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let mut code = String::new();
    for (name, dir) in [("RULES", "rules"), ("PROFILES", "rules/profiles")] {
        let mut files: Vec<_> = fs::read_dir(Path::new(&root).join(dir))?
            .filter_map(|e| Some(e.ok()?.path()))
            .collect();
        files.retain(|p| {
            p.extension().is_some_and(|e| e == "yaml")
                && p.file_stem().is_some_and(|s| s != "critical-points")
        });
        files.sort();
        let _ = writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[");
        for file in files {
            let stem = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let _ = writeln!(
                code,
                "    ({stem:?}, include_str!({:?})),",
                file.display().to_string()
            );
        }
        code.push_str("];\n");
    }
    fs::write(Path::new(&out).join("rule_files.rs"), code)
}
