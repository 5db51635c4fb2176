//! `--expect`: a failure that is wanted.

use crate::critical_point::CriticalPoint;
use crate::diagnose::verdict::Verdict;
use crate::stage::Stage;
use std::str::FromStr;

/// What the verdict must say. A key that is not given is not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Stage that is not completed; `shell` alone, without a critical point, means that the shell is reached.
    pub stage: Option<Stage>,
    /// Critical point.
    pub critical_point: Option<CriticalPoint>,
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut expectation = Expectation::default();
        for item in text.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            match item.split_once('=') {
                Some(("stage", id)) => {
                    expectation.stage = Some(Stage::from_id(id).ok_or_else(|| {
                        let ids: Vec<_> = Stage::ALL.iter().map(|s| s.id()).collect();
                        format!("no stage {id:?}; there are {}", ids.join(", "))
                    })?);
                }
                Some(("critical-point" | "critical_point", id)) => {
                    expectation.critical_point =
                        Some(CriticalPoint::from_id(id).ok_or_else(|| {
                            let ids: Vec<_> = CriticalPoint::ALL.iter().map(|c| c.id()).collect();
                            format!("no critical point {id:?}; there are {}", ids.join(", "))
                        })?);
                }
                _ => {
                    return Err(format!("{item:?} is neither stage=… nor critical-point=…"));
                }
            }
        }
        if expectation == Expectation::default() {
            return Err("give stage=… or critical-point=… or both".to_owned());
        }
        Ok(expectation)
    }
}

impl Expectation {
    /// Whether the verdict is the expected one.
    pub fn met(&self, verdict: &Verdict) -> bool {
        let success = self.stage == Some(Stage::Shell) && self.critical_point.is_none();
        if verdict.reached || success {
            return verdict.reached && success;
        }
        self.stage.is_none_or(|s| verdict.stage == Some(s))
            && self
                .critical_point
                .is_none_or(|c| verdict.critical_point == Some(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_parsed_and_unknown_ids_refused() {
        let both: Expectation = "stage=unit,critical-point=condition-path-exists"
            .parse()
            .unwrap();
        assert_eq!(both.stage, Some(Stage::Unit));
        assert_eq!(
            both.critical_point,
            Some(CriticalPoint::ConditionPathExists)
        );
        assert!(
            "stage=nowhere"
                .parse::<Expectation>()
                .unwrap_err()
                .contains("bootloader")
        );
        assert!("".parse::<Expectation>().is_err());
        assert!("unit".parse::<Expectation>().is_err());
    }
}
