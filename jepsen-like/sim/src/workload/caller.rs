//! Speaks to the nodes without the client library: to one at a time, and to the next when that
//! one does not help.

use std::time::Duration;

use floe_client::ErrorCode;
use floe_env::Env;
use floe_rpc::{CallError, ClientConnection, Failure, connect_client};

use super::RETRY;
use crate::cluster::client_addr;

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to one of the nodes.
pub struct Caller<'a> {
    env: &'a Env,
    nodes: u32,
    node: u32,
    connection: Option<ClientConnection>,
}

impl<'a> Caller<'a> {
    /// Not connected yet.
    pub fn new(env: &'a Env, nodes: u32) -> Self {
        Self {
            env,
            nodes,
            node: 1,
            connection: None,
        }
    }

    /// The connection, if there is one or one can be made.
    pub async fn connect(&mut self) -> Option<ClientConnection> {
        if let Some(connection) = &self.connection {
            return Some(connection.clone());
        }
        match connect_client(self.env, &client_addr(self.node), None).await {
            Ok(connection) => self.connection = Some(connection),
            Err(_) => {
                tokio::time::sleep(RETRY).await;
                self.move_on();
            }
        }
        self.connection.clone()
    }

    /// The next node, from now on.
    pub fn move_on(&mut self) {
        self.node = 1 + self.node % self.nodes;
        self.connection = None;
    }

    /// The connection gave no answer.
    pub fn lose(&mut self) {
        self.connection = None;
    }

    /// What was answered, or the code of the refusal; none when nobody knows. Goes on to the
    /// next node unless this one's word is final.
    pub fn heard<T>(
        &mut self,
        outcome: Result<Result<T, Failure>, CallError>,
    ) -> Result<T, Option<ErrorCode>> {
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => {
                if failure.code.is_retriable() {
                    self.move_on();
                }
                Err(Some(failure.code))
            }
            Err(_) => {
                self.move_on();
                Err(None)
            }
        }
    }
}
