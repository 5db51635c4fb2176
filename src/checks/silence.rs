//! Suppressions: findings that a team knows and accepts, set apart with their reason.

use super::finding::Finding;
use crate::config::Suppression;
use crate::config::date::Date;
use glob::Pattern;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

/// A finding that counts no more, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
    /// Last day on which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Which suppression of the configuration it was.
    #[serde(skip)]
    pub index: usize,
}

/// The suppressions that hold for one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Silencer {
    suppressions: Vec<(usize, Suppression)>,
}

impl Silencer {
    /// Of all suppressions those that fit the image and have not expired. `dir` is what a pattern with a slash is relative to.
    pub fn for_image(all: &[Suppression], image: &Path, dir: &Path, today: Date) -> Silencer {
        let holds = |s: &Suppression| !expired(s, today) && fits_image(s, image, dir);
        Silencer {
            suppressions: (0..)
                .zip(all)
                .filter(|(_, s)| holds(s))
                .map(|(n, s)| (n, s.clone()))
                .collect(),
        }
    }

    /// Takes the suppressed findings out.
    pub(super) fn split(&self, findings: &mut Vec<Finding>) -> Vec<Suppressed> {
        let mut suppressed = Vec::new();
        findings.retain(|finding| {
            let found = self.suppressions.iter().find(|(_, s)| silences(s, finding));
            if let Some((index, s)) = found {
                suppressed.push(Suppressed {
                    finding: finding.clone(),
                    reason: s.reason.trim().to_owned(),
                    expires: s.expires,
                    index: *index,
                });
            }
            found.is_none()
        });
        suppressed
    }
}

/// Whether its last day is over.
pub fn expired(suppression: &Suppression, today: Date) -> bool {
    suppression.expires.is_some_and(|day| day < today)
}

/// Whether a suppression is meant for an image.
pub fn fits_image(suppression: &Suppression, image: &Path, dir: &Path) -> bool {
    let Some(pattern) = &suppression.image else {
        return true;
    };
    let matches = |pattern: &str, text: &str| Pattern::new(pattern).is_ok_and(|p| p.matches(text));
    if !pattern.contains('/') {
        let name = image.file_name().unwrap_or_default();
        return matches(pattern, &name.to_string_lossy());
    }
    let pattern = match Path::new(pattern).is_absolute() {
        true => pattern.clone(),
        false => {
            let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
            let dir = Pattern::escape(&dir.display().to_string());
            format!("{}/{pattern}", dir.trim_end_matches('/'))
        }
    };
    matches(&pattern, &absolute(image))
}

/// The same file has the same name, however its directory was given. A link keeps its own name.
fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().and_then(|dir| dir.canonicalize().ok());
    let path = match (dir, path.file_name()) {
        (Some(dir), Some(name)) => dir.join(name),
        _ => path,
    };
    path.display().to_string()
}

/// The pattern stands for the path, or the partition and path, or with the line as reports print it.
fn silences(suppression: &Suppression, finding: &Finding) -> bool {
    if suppression.rule != finding.rule {
        return false;
    }
    let Some(pattern) = &suppression.location else {
        return true;
    };
    let Ok(pattern) = Pattern::new(pattern) else {
        return false;
    };
    let at = &finding.location;
    let mut place = at.clone();
    place.line = None;
    place.offset = None;
    pattern.matches(&place.to_string())
        || pattern.matches(&at.to_string())
        || at.path.as_deref().is_some_and(|path| pattern.matches(path))
}

#[cfg(test)]
mod tests {
    use super::super::run::{Selection, run_silenced};
    use super::super::testing;
    use super::*;
    use crate::checks::points::State;
    use crate::rules::builtin;

    fn suppression(location: Option<&str>) -> Suppression {
        Suppression {
            rule: "modules-version-mismatch".into(),
            location: location.map(str::to_owned),
            reason: "known".into(),
            ..Suppression::default()
        }
    }

    fn judged(suppression: Suppression) -> crate::checks::run::Judgement {
        let mut facts = testing::healthy();
        testing::modules(&mut facts).present = false;
        let silencer = Silencer::for_image(
            &[suppression],
            Path::new("a.wic"),
            Path::new("."),
            Date::today(),
        );
        run_silenced(&facts, &builtin::rules(), &Selection::default(), &silencer)
    }

    #[test]
    fn a_suppressed_finding_is_set_apart_and_its_point_is_not_ok() {
        let judgement = judged(suppression(None));
        assert_eq!(judgement.findings, []);
        assert_eq!(judgement.suppressed.len(), 1);
        let finding = &judgement.suppressed[0].finding;
        let point = judgement
            .points
            .iter()
            .find(|p| p.id == finding.critical_point);
        assert_eq!(point.map(|p| p.state), Some(State::Warning));
    }

    #[test]
    fn the_place_may_be_a_pattern() {
        let at = judged(suppression(None)).suppressed[0]
            .finding
            .location
            .to_string();
        assert_eq!(judged(suppression(Some(&at))).findings, []);
        assert_eq!(judged(suppression(Some("rootfs:*"))).findings, []);
        assert_eq!(judged(suppression(Some("p9:*"))).findings.len(), 1);
    }

    #[test]
    fn the_last_day_is_a_day() {
        let day = |t: &str| Date::try_from(t.to_owned()).unwrap();
        let mut s = suppression(None);
        s.expires = Some(day("2024-05-01"));
        assert!(!expired(&s, day("2024-05-01")));
        assert!(expired(&s, day("2024-05-02")));
    }

    #[test]
    fn images_are_matched_by_name_or_by_path() {
        let fits = |pattern: &str, image: &str| {
            let s = Suppression {
                image: Some(pattern.into()),
                ..Suppression::default()
            };
            fits_image(&s, Path::new(image), Path::new("/conf"))
        };
        assert!(fits("*-old.wic", "/x/a-old.wic"));
        assert!(!fits("*-old.wic", "/x/a-new.wic"));
        assert!(fits("build/*.wic", "/conf/build/a.wic"));
        assert!(!fits("build/*.wic", "/other/build/a.wic"));
        assert!(fits("/other/*", "/other/build/a.wic"));
    }
}
