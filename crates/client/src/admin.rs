//! Administration: topics, groups, nodes.
//!
//! Requests go to any node, which forwards what the controller must decide; group requests go to
//! the group's coordinator and trims to the partition's leader. Every call retries what is
//! retriable for up to the admin's timeout.

mod chaos;
mod groups;
mod topics;

pub use topics::{AlterTopicRequest, CreateTopicRequest};

use std::time::Duration;

use crate::Client;

/// Administers the cluster. Cheap to clone.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Runs where a cluster does; scripts/test starts one for it.
/// # let Ok(server) = std::env::var("FLOE_EXAMPLE_SERVER") else { return Ok(()) };
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let client = floe_client::Client::connect(&server).await?;
/// use floe_client::Start;
///
/// let admin = client.admin();
/// let request = admin.create_topic("bills").partitions(3).config("retention.ms", "86400000");
/// let topic = request.if_not_exists().send().await?;
/// assert_eq!(topic.partitions.len(), 3);
/// for (partition, end) in admin.offsets("bills", Start::End).await? {
///     println!("partition {partition} ends at {end:?}");
/// }
/// admin.delete_topic("bills").await?;
/// # Ok(())
/// # })
/// # }
/// ```
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
