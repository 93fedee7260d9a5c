//! The driver protocol for drivers written in Rust; drivers/protocol.py says what it is.
//!
//! [`serve`] answers one request after the other. While one runs, a line on stdin asks it to leave.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, sync_channel};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use serde_json::{Value, json};

/// Why a request was not done.
pub enum Unable {
    /// The client has no such feature.
    Lacks(String),
    /// The client reported an error, with Kafka's code if it gave one.
    Error(Option<i64>, String),
}

/// A record of a request.
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    pub fn all(request: &Value) -> Vec<Self> {
        let records = request["records"].as_array().into_iter().flatten();
        records.map(Self::new).collect()
    }

    fn new(fields: &Value) -> Self {
        let headers = fields["headers"].as_array().into_iter().flatten();
        Self {
            key: decode(&fields["key"]),
            value: decode(&fields["value"]),
            headers: headers.map(|pair| (text(&pair[0]), decode(&pair[1]))).collect(),
        }
    }
}

pub fn decode(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| STANDARD.decode(text).expect("the harness sends base64"))
}

pub fn encode(data: Option<&[u8]>) -> Value {
    data.map(|bytes| STANDARD.encode(bytes)).into()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub fn lacks<T>(reason: impl Into<String>) -> Result<T, Unable> {
    Err(Unable::Lacks(reason.into()))
}

pub fn event(fields: &Value) {
    write(&json!({ "event": fields }));
}

pub fn now_s() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_secs_f64()
}

fn write(answer: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}").and_then(|()| out.flush()).expect("the harness reads stdout");
}

/// The lines of stdin, read by a thread.
pub struct Requests(Receiver<Value>);

impl Requests {
    pub fn leave_wanted(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}

/// Answers requests until stdin ends.
pub fn serve(mut answer: impl FnMut(&Value, &Requests) -> Result<Value, Unable>) {
    let (lines, received) = sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let request = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            if request.is_none_or(|request| lines.send(request).is_err()) {
                return;
            }
        }
    });
    let requests = Requests(received);
    while let Ok(request) = requests.0.recv() {
        let answer = match answer(&request, &requests) {
            Ok(done) => json!({ "done": done }),
            Err(Unable::Lacks(reason)) => json!({ "lacks": reason }),
            Err(Unable::Error(code, message)) => json!({ "error": { "code": code, "message": message } }),
        };
        write(&answer);
    }
}
