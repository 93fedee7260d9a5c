//! The fleet: sends every courier's positions and keeps account of what was acknowledged.

use std::time::Duration;

use floe_client::{Client, Delivery, Error, Producer, Record};
use floe_env::Env;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::groups::Audit;
use crate::{DemoOptions, Positions};

/// Positions sent in one go; a second's worth is spread over the second.
const SLICE: Duration = Duration::from_millis(20);
/// Positions sent and not yet acknowledged; sending waits above.
const IN_FLIGHT_MAX: usize = 100_000;

/// Running totals.
#[derive(Clone, Debug, Default)]
pub(crate) struct FleetProgress {
    pub(crate) produced: u64,
    pub(crate) acked: u64,
    pub(crate) failed: u64,
    /// Longest time from sending to acknowledgement, milliseconds, of positions sent from the
    /// last kill on.
    pub(crate) unavailable_ms_max: u64,
}

struct Sent {
    courier: u32,
    seq: u64,
    at: Duration,
    delivery: Delivery,
}

/// Everything the fleet left behind.
pub(crate) struct FleetAccount {
    pub(crate) progress: FleetProgress,
    pub(crate) acked: Audit,
}

/// Sends until `stop`, then waits for what is still on its way.
pub(crate) async fn ride(
    env: &Env,
    client: &Client,
    topic: &str,
    options: &DemoOptions,
    killed_at: watch::Receiver<Option<Duration>>,
    progress: watch::Sender<FleetProgress>,
    stop: CancellationToken,
) -> Result<FleetAccount, Error> {
    let producer = client
        .producer(topic)
        .linger(Duration::from_millis(5))
        .build()
        .await?;
    let (sent, arrivals) = mpsc::channel(IN_FLIGHT_MAX);
    let ledger = env
        .spawn
        .task(keep_account(env.clone(), arrivals, killed_at, progress));
    let outcome = send_positions(env, &producer, options, sent, stop).await;
    let account = ledger.await.unwrap_or_else(|_| FleetAccount {
        progress: FleetProgress::default(),
        acked: Audit::default(),
    });
    // Every delivery was awaited, so nothing can be left undelivered.
    drop(producer.close().await);
    outcome.map(|()| account)
}

async fn send_positions(
    env: &Env,
    producer: &Producer,
    options: &DemoOptions,
    sent: mpsc::Sender<Sent>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut positions = Positions::new(options);
    let started = env.clock.now();
    let mut next = 0_u64;
    let mut timer = tokio::time::interval(SLICE);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = timer.tick() => {}
        }
        let due = positions_due(env.clock.now().saturating_sub(started), options);
        while next < due && !stop.is_cancelled() {
            let Some(position) = positions.next() else {
                return Ok(());
            };
            let record = Record::new(position.to_json()).key(position.key());
            let at = env.clock.now();
            let delivery = producer.enqueue(record).await?;
            let (courier, seq) = (position.courier, position.seq);
            if sent
                .send(Sent {
                    courier,
                    seq,
                    at,
                    delivery,
                })
                .await
                .is_err()
            {
                return Ok(());
            }
            next += 1;
        }
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of positions"
)]
fn positions_due(elapsed: Duration, options: &DemoOptions) -> u64 {
    (elapsed.as_secs_f64() * options.speed * f64::from(options.couriers)) as u64
}

async fn keep_account(
    env: Env,
    mut arrivals: mpsc::Receiver<Sent>,
    killed_at: watch::Receiver<Option<Duration>>,
    publish: watch::Sender<FleetProgress>,
) -> FleetAccount {
    let mut account = FleetAccount {
        progress: FleetProgress::default(),
        acked: Audit::default(),
    };
    let mut waiting = FuturesUnordered::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        tokio::select! {
            arrived = arrivals.recv(), if open && waiting.len() < IN_FLIGHT_MAX => match arrived {
                Some(sent) => {
                    account.progress.produced += 1;
                    waiting.push(async move {
                        let outcome = sent.delivery.await;
                        (sent.courier, sent.seq, sent.at, outcome)
                    });
                }
                None => open = false,
            },
            Some((courier, seq, at, outcome)) = waiting.next(), if !waiting.is_empty() => {
                if outcome.is_ok() {
                    account.progress.acked += 1;
                    account.acked.arrived(courier, seq);
                    if killed_at.borrow().is_some_and(|killed| at + SLICE >= killed) {
                        let waited = env.clock.now().saturating_sub(at).as_millis();
                        let waited = u64::try_from(waited).unwrap_or(u64::MAX);
                        let longest = &mut account.progress.unavailable_ms_max;
                        *longest = waited.max(*longest);
                    }
                } else {
                    account.progress.failed += 1;
                }
            }
        }
        publish.send_replace(account.progress.clone());
    }
    account
}
