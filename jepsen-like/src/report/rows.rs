//! Operations of a slice as rows of a table, reduced to what a finding speaks of.

use floe_model::Offset;

use super::slice::each_touch;
use super::text::{duration, escape, put, seconds};
use crate::anomaly::Dependency;
use crate::evidence::Subject;
use crate::{Action, Anomaly, History, Key, Operation, Stage, Value};

/// Places of a log shown around one that a finding speaks of.
const AROUND: usize = 2;
/// Places of a log shown of one operation.
const PLACES_MAX: usize = 24;

/// The steps of a circle.
pub(super) fn cycle(out: &mut String, finding: &Anomaly) {
    let (Anomaly::G0 { cycle }
    | Anomaly::G0Process { cycle }
    | Anomaly::G0Realtime { cycle }
    | Anomaly::G1c { cycle }
    | Anomaly::G1cProcess { cycle }
    | Anomaly::G1cRealtime { cycle }) = finding
    else {
        return;
    };
    for link in cycle {
        let because = match link.because {
            Dependency::Ww => "wrote right before",
            Dependency::Wr => "wrote what was read by",
            Dependency::Process => "came before, in one process,",
            Dependency::Realtime => "had completed before",
        };
        put!(out, "<p><b>{}</b> {because} <b>{}</b>", link.from, link.to);
        if let (Some(key), Some(value)) = (&link.key, link.value) {
            put!(out, " <code>{} value {value}</code>", escape(&key.0));
        }
        out.push_str("</p>\n");
    }
}

/// The operations of a slice.
pub(super) fn operations(out: &mut String, history: &History, subject: &Subject, slice: &[usize]) {
    if slice.is_empty() {
        return;
    }
    out.push_str(
        "<div class=\"table\"><table>\n<tr><th class=\"number\">op</th><th class=\"number\">at\
         </th><th class=\"number\">took</th><th class=\"number\">process</th><th>outcome</th>\
         <th>what</th></tr>\n",
    );
    for operation in slice
        .iter()
        .filter_map(|place| history.operations.get(*place))
    {
        let took = operation
            .completed_ns
            .map_or("…".to_owned(), |end| duration(end - operation.invoked_ns));
        let outcome = match operation.outcome {
            Stage::Ok => "ok",
            Stage::Fail => "fail",
            Stage::Info | Stage::Invoke => "info",
        };
        put!(
            out,
            "<tr><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{took}</td><td class=\"number\">{}</td><td>{outcome}</td>\
             <td class=\"wide\"><code>",
            operation.invoked,
            seconds(operation.invoked_ns),
            operation.process
        );
        what(out, operation, subject);
        if let Some(error) = &operation.error {
            put!(out, " ({})", escape(error));
        }
        out.push_str("</code></td></tr>\n");
    }
    out.push_str("</table></div>\n");
}

/// The action in short.
fn what(out: &mut String, operation: &Operation, subject: &Subject) {
    let action = &operation.action;
    put!(out, "{}", action.name());
    let mut touches = Vec::new();
    each_touch(action, |key, value, offset| {
        touches.push((key, value, offset))
    });
    if touches.is_empty() {
        // Small by nature: the whole value, as it is in the history.
        let json = serde_json::to_value(action).unwrap_or_default();
        let text = json.get("v").map(ToString::to_string).unwrap_or_default();
        let short: String = text.chars().take(400).collect();
        put!(out, " {}", escape(&short));
        return;
    }
    match action {
        Action::Commit {
            group, generation, ..
        } => {
            put!(out, " of {} in generation {generation}", escape(group));
        }
        Action::Committed { group, .. } | Action::Reset { group, .. } => {
            put!(out, " of {}", escape(group));
        }
        Action::Produce(batch) => {
            let producer = batch.producer;
            let (id, epoch, sequence) = (producer.producer_id, producer.epoch, producer.sequence);
            put!(
                out,
                " by {id} in epoch {}, sequence {},",
                epoch.0,
                sequence.0
            );
        }
        Action::Replica(replica) => put!(out, " on node {}", replica.node),
        _ => {}
    }
    places(out, &touches, subject);
}

/// The places of logs that the finding speaks of and those around them.
fn places(out: &mut String, touches: &[(&Key, Option<Value>, Option<Offset>)], subject: &Subject) {
    let is_meant = |&(key, value, offset): &(&Key, Option<Value>, Option<Offset>)| {
        subject.keys.contains(key)
            && (value.is_some_and(|value| subject.values.contains(&value))
                || offset.is_some_and(|offset| subject.offsets.contains(&offset)))
    };
    let mut shown = vec![false; touches.len()];
    for (place, _) in touches
        .iter()
        .enumerate()
        .filter(|(_, touch)| is_meant(touch))
    {
        let end = (place + AROUND + 1).min(touches.len());
        shown[place.saturating_sub(AROUND)..end].fill(true);
    }
    if !shown.contains(&true) {
        // The finding means the operation as a whole.
        let few = touches.len().min(2 * AROUND + 1);
        shown[..few].fill(true);
    }
    let (mut left, mut before, mut gap) = (PLACES_MAX, None, false);
    for (touch, shown) in touches.iter().zip(shown) {
        if !shown || left == 0 {
            gap = true;
            continue;
        }
        left -= 1;
        let (key, value, offset) = *touch;
        if before != Some(key) {
            put!(out, " {}", escape(&key.0));
            before = Some(key);
        }
        out.push_str(if std::mem::take(&mut gap) {
            " … "
        } else {
            " "
        });
        let (open, close) = if is_meant(touch) {
            ("<mark>", "</mark>")
        } else {
            ("", "")
        };
        match (value, offset) {
            (Some(value), Some(offset)) => put!(out, "{open}{offset}:{value}{close}"),
            (Some(value), None) => put!(out, "{open}?:{value}{close}"),
            (None, Some(offset)) => put!(out, "{open}@{offset}{close}"),
            (None, None) => {}
        }
    }
    if gap {
        out.push_str(" …");
    }
}
