//! What is written is read again, and what is no history is refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::story::*;

fn written(history: &History) -> Vec<u8> {
    let mut recorder = Recorder::start(Vec::new(), &history.header).unwrap();
    for operation in &history.operations {
        let Operation {
            process,
            outcome,
            action,
            ..
        } = operation.clone();
        let blank = match action.clone() {
            Action::Poll(_) => Action::Poll(BTreeMap::new()),
            Action::Send(mut sends) => {
                sends.iter_mut().for_each(|sent| sent.offset = None);
                Action::Send(sends)
            }
            other => other,
        };
        recorder
            .record(5, process, Stage::Invoke, blank, None, vec![])
            .unwrap();
        let error = (outcome != Stage::Ok).then(|| "timeout".to_owned());
        recorder
            .record(3, process, outcome, action, error, vec![])
            .unwrap();
    }
    recorder.finish().unwrap()
}

#[test]
fn a_recorded_history_reads_as_it_was() {
    let history = sound()
        .send_as(4, Stage::Info, &[(13, None)])
        .act(4, Stage::Ok, Action::Subscribe(vec!["t".to_owned()]))
        .commit(1, Stage::Ok)
        .fault(Stage::Ok)
        .drain(3)
        .history();
    let text = written(&history);
    let mut expected = history;
    for operation in &mut expected.operations {
        (operation.invoked_ns, operation.completed_ns) = (5, Some(5));
        operation.error = (operation.outcome != Stage::Ok).then(|| "timeout".to_owned());
    }
    assert_eq!(read_history(text.as_slice()).unwrap(), expected);
    let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().collect();
    let send = r#"{"i":1,"t":5,"p":1,"type":"ok","f":"send","v":[{"k":"t/0","v":10,"o":0}]}"#;
    assert_eq!(lines[2], send);
    let poll = r#"{"i":7,"t":5,"p":2,"type":"ok","f":"poll","v":{"t/0":[[0,10],[1,11],[2,12]]}}"#;
    assert_eq!(lines[8], poll);
}

#[test]
fn malformed_histories_are_refused() {
    use crate::HistoryError::{Empty, Order, Parse, Schema, Unpaired, ValueReused};
    let text = String::from_utf8(written(&sound().history())).unwrap();
    let read = |text: &str| read_history(text.as_bytes()).unwrap_err();
    assert!(matches!(read(""), Empty));
    assert!(matches!(read("{}"), Parse { line: 1, .. }));
    assert!(matches!(
        read(&text.replace(r#""schema":2"#, r#""schema":3"#)),
        Schema { schema: 3 }
    ));
    assert!(matches!(
        read(&text.replace(r#""i":3,"t":5"#, r#""i":4,"t":5"#)),
        Order { index: 4 }
    ));
    assert!(matches!(
        read(&text.replace(r#""i":3,"t":5"#, r#""i":3,"t":4"#)),
        Order { index: 3 }
    ));
    let foreign = text.replace(r#""i":1,"t":5,"p":1"#, r#""i":1,"t":5,"p":8"#);
    assert!(matches!(
        read(&foreign),
        Unpaired {
            index: 1,
            process: 8
        }
    ));
    let changed = text.replace(r#""v":10,"o":0"#, r#""v":19,"o":0"#);
    assert!(matches!(
        read(&changed),
        Unpaired {
            index: 1,
            process: 1
        }
    ));
    let reused = text.replace(r#""v":11"#, r#""v":10"#);
    assert!(matches!(
        read(&reused),
        ValueReused {
            index: 2,
            value: 10,
            ..
        }
    ));
    let cut = &text[..text.len() - 5];
    assert!(matches!(read(cut), Parse { line: 11, .. }));
}
