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

/// One life of the process: everything in it dies with its runtime, without a goodbye.
fn life(world: &mut World, work: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        world.boot();
        work(world).await;
    });
    drop(runtime);
    world.forget_process();
}

/// Several lives of one disk: operations, then a crash or a clean stop, then the checks.
fn lives(seed: u64, lives: u32, operations: u64) {
    let mut world = World::new(seed);
    for place in 0..lives {
        let clean = world.below(4) == 0;
        life(&mut world, async |world| {
            world.open(&format!("seed {seed} life {place}")).await;
            world.check_all().await;
            for _ in 0..world.below(operations) {
                world.operation().await;
            }
            if clean {
                world.shutdown().await;
            }
        });
        if !clean {
            let plan = PLANS[usize::try_from(world.below(3)).unwrap()];
            world.crash(plan);
        }
    }
    life(&mut world, async |world| {
        world.open(&format!("seed {seed} last")).await;
        world.check_all().await;
    });
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

#[test]
fn random_lives_lose_nothing_and_invent_nothing() {
    let first = number("FLOE_JOURNAL_SEED", 0);
    for seed in first..first + number("FLOE_JOURNAL_SEEDS", 150) {
        lives(seed, 6, 120);
    }
}

/// The same operations with the disk failing at the n-th change, for every n.
#[test]
fn a_crash_at_any_write_boundary_loses_nothing() {
    for seed in 0..3 {
        for plan in PLANS {
            let boundaries = (0..).take_while(|boundary| !boundary_life(seed, plan, *boundary));
            assert!(boundaries.count() > 50, "the budget was never the limit");
        }
    }
}

/// `true` when the budget of `boundary` changes was enough for everything.
fn boundary_life(seed: u64, plan: CrashPlan, boundary: u64) -> bool {
    let mut finished = false;
    let mut world = World::new(1000 + seed);
    let context = format!("seed {seed} plan {plan:?} boundary {boundary}");
    world.context.clone_from(&context);
    life(&mut world, async |world| {
        world.vfs.set_budget(Some(boundary));
        if world.try_open().await {
            for _ in 0..60 {
                world.operation().await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            finished = !world.is_poisoned();
        }
    });
    world.crash(plan);
    life(&mut world, async |world| {
        world.open(&context).await;
        world.check_all().await;
        for _ in 0..20 {
            world.operation().await;
        }
    });
    world.crash(CrashPlan::LoseUnsynced);
    life(&mut world, async |world| {
        world.open(&context).await;
        world.check_all().await;
    });
    finished
}
