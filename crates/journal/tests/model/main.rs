//! The store against a plain model: random operations, crashes at write boundaries, reopening.
//!
//! What is checked after each crash: every group's log equals what the model held after some
//! prefix of the group's operations, and that prefix includes every operation that was answered.
//! So nothing acknowledged is lost, nothing truncated comes back, nothing is invented.
#![allow(clippy::unwrap_used)]

mod model;
mod world;

use std::time::Duration;

use floe_env::CrashPlan;

use crate::world::World;

const PLANS: [CrashPlan; 3] = [
    CrashPlan::Process,
    CrashPlan::LoseUnsynced,
    CrashPlan::KeepRandomSectors,
];

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

/// Several lives of one disk: operations, then a crash or a clean stop, then the checks.
async fn lives(seed: u64, lives: u32, operations: u32) {
    let mut world = World::new(seed);
    for life in 0..lives {
        world.open(&format!("seed {seed} life {life}")).await;
        world.check_all().await;
        let some = world.below(u64::from(operations));
        for _ in 0..some {
            world.operation().await;
        }
        match world.below(4) {
            0 => world.shutdown().await,
            choice => {
                let plan = PLANS[usize::try_from(choice - 1).unwrap()];
                world.crash(plan);
            }
        }
    }
    world.open(&format!("seed {seed} last")).await;
    world.check_all().await;
}

#[test]
fn random_lives_lose_nothing_and_invent_nothing() {
    let seeds = std::env::var("FLOE_JOURNAL_SEEDS").ok().and_then(|count| count.parse().ok());
    let first = std::env::var("FLOE_JOURNAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let first: u64 = first.unwrap_or(0);
    for seed in first..first + seeds.unwrap_or(150) {
        run(lives(seed, 6, 120));
    }
}

/// The same operations with the disk failing at the n-th change, for every n.
#[test]
fn a_crash_at_any_write_boundary_loses_nothing() {
    for seed in 0..3 {
        for plan in PLANS {
            let mut boundary = 0;
            loop {
                let mut finished = false;
                run(async {
                    let mut world = World::new(1000 + seed);
                    world.context = format!("seed {seed} plan {plan:?} boundary {boundary}");
                    world.vfs.set_budget(Some(boundary));
                    if world.try_open().await {
                        for _ in 0..60 {
                            world.operation().await;
                        }
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        finished = !world.is_poisoned();
                    }
                    world.crash(plan);
                    let context = world.context.clone();
                    world.open(&context).await;
                    world.check_all().await;
                    for _ in 0..20 {
                        world.operation().await;
                    }
                    world.crash(CrashPlan::LoseUnsynced);
                    world.open(&context).await;
                    world.check_all().await;
                });
                if finished {
                    break;
                }
                boundary += 1;
            }
            assert!(boundary > 50, "the budget was never the limit");
        }
    }
}
