//! A state machine that remembers what it applied, in order.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use floe_raft::{CorruptState, StateMachine};
use floe_record::{Entry, EntryBody};

/// Clones share what was applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journalled {
    applied: Arc<Mutex<Vec<String>>>,
}

impl Journalled {
    pub(crate) fn applied(&self) -> Vec<String> {
        self.applied.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.applied.lock().unwrap().len()
    }

    pub(crate) fn has(&self, command: &str) -> bool {
        self.applied
            .lock()
            .unwrap()
            .iter()
            .any(|applied| applied == command)
    }
}

impl StateMachine for Journalled {
    fn apply(&mut self, entry: &Entry) -> Bytes {
        let text = match &entry.body {
            EntryBody::Control(command) => String::from_utf8_lossy(command).into_owned(),
            EntryBody::Data(batches) => format!("{} at {}", batches.len(), entry.base_offset),
            EntryBody::Blank | EntryBody::Membership(_) => return Bytes::new(),
        };
        let mut applied = self.applied.lock().unwrap();
        applied.push(text);
        Bytes::from(applied.len().to_string())
    }

    fn snapshot(&mut self) -> Bytes {
        Bytes::from(self.applied.lock().unwrap().join("\n"))
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState> {
        let text = String::from_utf8_lossy(state.unwrap_or_default()).into_owned();
        let lines = text.split('\n').filter(|line| !line.is_empty());
        *self.applied.lock().unwrap() = lines.map(str::to_owned).collect();
        Ok(())
    }
}
