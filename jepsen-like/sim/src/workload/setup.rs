//! Makes the topic.

use floe_client::{Client, ErrorKind};
use floe_env::Env;

use super::{RETRY, TOPIC, Workload};

/// Makes the topic, however long it takes, and says so.
pub async fn make_topic(workload: &Workload, env: &Env, replication: u32) {
    let client = loop {
        match Client::connect_in(env.clone(), &workload.seeds).await {
            Ok(client) => break client,
            Err(error) => tracing::debug!(%error, "not connected"),
        }
        tokio::time::sleep(RETRY).await;
    };
    loop {
        let request = client.admin().create_topic(TOPIC);
        let request = request
            .partitions(workload.topic.partitions)
            .replication(replication);
        match request.send().await {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => break,
            Err(error) => tracing::debug!(%error, "topic not made"),
        }
        tokio::time::sleep(RETRY).await;
    }
    workload.signals.topic_is_ready();
}
