//! Rules and profiles that are part of the program.

use super::{Rule, load};
use crate::profile::Profile;

include!(concat!(env!("OUT_DIR"), "/rule_files.rs"));

/// The built-in rules, by id.
pub fn rules() -> Vec<Rule> {
    // Each file is read by a test, so none is lost here.
    RULES
        .iter()
        .filter_map(|(file, text)| load::parse(file, text).ok())
        .collect()
}

/// Names of the built-in profiles.
pub fn profile_names() -> Vec<&'static str> {
    PROFILES
        .iter()
        .map(|(file, _)| file.trim_end_matches(".yaml"))
        .collect()
}

/// A built-in profile.
pub fn profile(name: &str) -> Option<Profile> {
    let (_, text) = PROFILES
        .iter()
        .find(|(file, _)| file.trim_end_matches(".yaml") == name)?;
    serde_yaml::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_file_is_a_rule() {
        for (file, text) in RULES {
            if let Err(e) = load::parse(file, text) {
                panic!("{e}");
            }
        }
        assert_eq!(rules().len(), RULES.len());
    }

    #[test]
    fn rules_named_in_unless_exist() {
        let rules = rules();
        for rule in &rules {
            for other in &rule.unless {
                assert!(
                    rules.iter().any(|r| r.id == *other),
                    "{}: unless {other}",
                    rule.id
                );
            }
        }
    }

    #[test]
    fn every_profile_is_a_profile() {
        for name in profile_names() {
            assert_eq!(profile(name).map(|p| p.name), Some(name.to_owned()));
        }
        assert_eq!(profile("nixos-test"), Some(Profile::default()));
    }
}
