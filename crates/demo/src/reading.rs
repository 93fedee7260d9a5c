//! One consumer group of the story, read by one member.

use std::sync::Arc;
use std::time::Duration;

use floe_client::{Client, Error};
use floe_env::Env;
use tokio::sync::watch;

use crate::groups::{Audit, Effects};
use crate::position::Position;

/// How long a group may take to catch up once the fleet has stopped.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a group looks at how far behind it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Running totals of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupProgress {
    pub(crate) received: u64,
    pub(crate) effects: u64,
    pub(crate) lag_records: u64,
    /// Age of the newest position processed, milliseconds.
    pub(crate) lag_ms: i64,
}

/// What one group came to.
pub(crate) struct GroupAccount {
    pub(crate) audit: Audit,
    pub(crate) effects: Effects,
    /// Records that are no positions.
    pub(crate) unreadable: u64,
}

/// Reads until everything in `target` (set when the fleet has stopped) has arrived.
pub(crate) async fn read(
    env: Env,
    client: Client,
    topic: String,
    (group, effects): (&'static str, Effects),
    publish: watch::Sender<GroupProgress>,
    mut target: watch::Receiver<Option<Arc<Audit>>>,
) -> Result<GroupAccount, Error> {
    let mut consumer = client.consumer(group).topics([topic]).build().await?;
    let mut account = GroupAccount {
        audit: Audit::default(),
        effects,
        unreadable: 0,
    };
    let mut newest_ms = env.clock.wall_ms();
    let mut timer = tokio::time::interval(PROGRESS_INTERVAL);
    let mut give_up_at = None;
    loop {
        tokio::select! {
            message = consumer.next() => {
                let Some(message) = message else { break };
                let message = message?;
                newest_ms = message.timestamp_ms;
                let value = message.value.unwrap_or_default();
                match Position::from_json(&value) {
                    Ok(position) => {
                        if account.audit.arrived(position.courier, position.seq) {
                            account.effects.on(&position);
                        }
                    }
                    Err(_) => account.unreadable += 1,
                }
            }
            _ = timer.tick() => {
                let partitions = consumer.assignment();
                let lag_records = partitions.iter().filter_map(|p| consumer.lag(p)).sum();
                publish.send_replace(GroupProgress {
                    received: account.audit.received(),
                    effects: account.effects.count(),
                    lag_records,
                    lag_ms: if lag_records == 0 { 0 } else { env.clock.wall_ms() - newest_ms },
                });
                let complete = target.borrow_and_update().as_ref()
                    .is_some_and(|target| account.audit.missing_of(target) == 0);
                if complete {
                    break;
                }
                if target.borrow().is_some() {
                    let now = env.clock.now();
                    if now > *give_up_at.get_or_insert(now + CATCH_UP_TIMEOUT) {
                        break;
                    }
                }
            }
        }
    }
    // A group that cannot say goodbye has still read what it has read.
    drop(consumer.close().await);
    Ok(account)
}
