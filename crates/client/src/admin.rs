//! Administration: topics, groups, nodes.
//!
//! Requests go to any node, which forwards what the controller must decide; group requests go to
//! the group's coordinator and trims to the partition's leader. Every call retries what is
//! retriable for up to the admin's timeout.

mod groups;
mod topics;

pub use topics::{AlterTopicRequest, CreateTopicRequest};

use std::time::Duration;

use crate::Client;

/// Administers the cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
    timeout: Duration,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            timeout: Duration::from_secs(30),
        }
    }

    /// How long each call tries. Default 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
