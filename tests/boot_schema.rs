//! The published JSON Schemas of `boot`, `boot --repeat` and `host` are those of the code. `UPDATE=1 cargo test --test boot_schema` writes them anew.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use isar_doctor::report::{boot_json, boot_repeat, host};
use std::path::Path;

fn is_published(name: &str, schema: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/schema")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, schema).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published, schema,
        "docs/schema/{name} is stale: UPDATE=1 cargo test --test boot_schema"
    );
}

#[test]
fn boot() {
    is_published("boot.schema.json", &boot_json::schema().unwrap());
}

#[test]
fn host_report() {
    is_published("host.schema.json", &host::schema().unwrap());
}

#[test]
fn repeated_boots() {
    is_published("repeat.schema.json", &boot_repeat::schema().unwrap());
}
