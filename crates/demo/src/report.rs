//! How a run ended: figures and a verdict.

use std::collections::BTreeMap;

use serde::Serialize;

/// The result of one run, printed as one JSON document.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `pass` or `fail`.
    pub verdict: Verdict,
    /// Positions sent.
    pub produced: u64,
    /// Positions acknowledged.
    pub acked: u64,
    /// Acknowledged positions that a fresh read from the start does not return.
    pub lost: u64,
    /// Nodes killed.
    pub kills: u32,
    /// Longest wait for an acknowledgement of positions sent from the kill on, milliseconds.
    pub unavailable_ms_max: u64,
    /// By group.
    pub groups: BTreeMap<&'static str, GroupReport>,
}

/// Pass or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// Something did not.
    Fail,
}

/// What one group got and made of it.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Positions received, repeated ones included.
    pub received: u64,
    /// Acknowledged positions that never came.
    pub missing: u64,
    /// Positions that came again; harmless, the group tells them apart.
    pub duplicates: u64,
    /// Positions that came behind a later one of the same courier.
    pub out_of_order: u64,
    /// Effects the group produced.
    pub effects: u64,
    /// Effects missing, extra or other than the log gives.
    pub effects_wrong: u64,
}

impl Report {
    /// Decides the verdict; `kills_wanted` kills were asked for.
    #[must_use]
    pub fn judged(mut self, kills_wanted: u32) -> Self {
        let groups_fine = self.groups.values().all(|group| {
            group.received > 0
                && group.missing == 0
                && group.out_of_order == 0
                && group.effects_wrong == 0
        });
        let fine = self.lost == 0
            && groups_fine
            && !self.groups.is_empty()
            && self.acked > 0
            && self.kills >= kills_wanted;
        self.verdict = if fine { Verdict::Pass } else { Verdict::Fail };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Report {
        let group = GroupReport {
            received: 10,
            missing: 0,
            duplicates: 1,
            out_of_order: 0,
            effects: 3,
            effects_wrong: 0,
        };
        Report {
            verdict: Verdict::Fail,
            produced: 10,
            acked: 10,
            lost: 0,
            kills: 1,
            unavailable_ms_max: 400,
            groups: BTreeMap::from([("analytics", group)]),
        }
    }

    #[test]
    fn any_failing_figure_fails_the_run() {
        let verdict = |change: fn(&mut Report)| {
            let mut report = clean();
            change(&mut report);
            report.judged(1).verdict
        };
        assert_eq!(verdict(|_| {}), Verdict::Pass);
        let failing: [fn(&mut Report); 7] = [
            |r| r.lost = 1,
            |r| r.kills = 0,
            |r| r.acked = 0,
            |r| group(r).missing = 1,
            |r| group(r).out_of_order = 1,
            |r| group(r).effects_wrong = 1,
            |r| group(r).received = 0,
        ];
        for change in failing {
            assert_eq!(verdict(change), Verdict::Fail);
        }
    }

    fn group(report: &mut Report) -> &mut GroupReport {
        report
            .groups
            .get_mut("analytics")
            .expect("the test made it")
    }

    #[test]
    fn the_document_has_the_documented_fields() {
        let text = serde_json::to_string(&clean().judged(1)).expect("plain data");
        assert_eq!(
            text,
            r#"{"verdict":"pass","produced":10,"acked":10,"lost":0,"kills":1,"unavailable_ms_max":400,"groups":{"analytics":{"received":10,"missing":0,"duplicates":1,"out_of_order":0,"effects":3,"effects_wrong":0}}}"#
        );
    }
}
