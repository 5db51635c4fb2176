//! `docs/rules/` is what the rules say; `make docs` writes it.

use isar_doctor::report::rule_docs;
use isar_doctor::rules::builtin;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn docs_are_what_the_rules_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let written: BTreeMap<String, String> = std::fs::read_dir(&dir)
        .expect("docs/rules exists: run `make docs`")
        .map(|entry| entry.expect("docs/rules can be listed"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).expect("a page in UTF-8");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    let pages = rule_docs::pages(&builtin::rules());
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&pages), "run `make docs`");
    for (name, text) in &pages {
        assert_eq!(&written[name], text, "docs/rules/{name}: run `make docs`");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = rule_docs::pages(&builtin::rules());
    let link = regex::Regex::new(r"\]\(([a-z0-9-]+\.md)\)").expect("a regular expression");
    let mut followed = 0;
    for (name, text) in &pages {
        for found in link.captures_iter(text) {
            assert!(
                pages.contains_key(&found[1]),
                "{name} links to {}",
                &found[1]
            );
            followed += 1;
        }
    }
    assert!(followed >= pages.len() - 1, "the index links to every rule");
}
