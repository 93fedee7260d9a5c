//! Faults that this node suffers on request, where its configuration allows it.
//!
//! Invariant: a fault ends by its deadline inside this node or its supervisor, whatever becomes
//! of who asked for it. A node that does not allow faults says so and does nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_env::{DiskFault, Faults, SupervisorRequest};
use floe_model::{ErrorCode, NodeId};
use floe_rpc::{ChaosFault, ChaosHits, ChaosRequest, ChaosState, Excerpt, Failure, FailureDetail};

use crate::Broker;

/// From the answer to the end of the process, so that the answer gets out.
const ANSWER_TIME: Duration = Duration::from_millis(30);

impl Broker {
    /// Injects, ends or describes faults of this node.
    ///
    /// # Errors
    /// `InvalidRequest` where faults are not allowed or not possible.
    pub fn chaos(&self, request: ChaosRequest) -> Result<ChaosState, Failure> {
        match request {
            ChaosRequest::Describe => {}
            ChaosRequest::Heal => self.faults()?.heal(),
            ChaosRequest::Inject { fault, length_ms } => {
                let length = Duration::from_millis(u64::from(length_ms)).min(Faults::LENGTH_MAX);
                tracing::warn!(?fault, ?length, "fault injected");
                self.inject(fault, length)?;
            }
        }
        Ok(self.chaos_state())
    }

    fn inject(&self, fault: ChaosFault, length: Duration) -> Result<(), Failure> {
        let faults = self.faults()?;
        match fault {
            ChaosFault::Kill => self.ask_supervisor(SupervisorRequest::Kill { down: length })?,
            ChaosFault::Pause => self.ask_supervisor(SupervisorRequest::Pause { length })?,
            ChaosFault::Cut { from } => faults.cut(self.addresses_of(&from), length),
            ChaosFault::DiskSyncFails => {
                if let Some(supervisor) = faults.supervisor() {
                    let told = supervisor.ask(SupervisorRequest::MayFail);
                    told.map_err(|_| refused("the supervisor of this node does not listen"))?;
                }
                faults.break_disk(DiskFault::SyncFails, length);
            }
            ChaosFault::DiskFull => faults.break_disk(DiskFault::Full, length),
            ChaosFault::DiskSlow { delay_ms } => {
                let delay = Duration::from_millis(u64::from(delay_ms)).min(length);
                faults.break_disk(DiskFault::Slow(delay), length);
            }
            ChaosFault::ClockOffset { offset_ms } => faults.shift_wall_clock(offset_ms, length),
        }
        Ok(())
    }

    fn faults(&self) -> Result<&Faults, Failure> {
        let faults = self.core.config.faults.as_ref();
        faults.ok_or_else(|| refused("faults are not allowed: chaos = false on this node"))
    }

    fn ask_supervisor(&self, request: SupervisorRequest) -> Result<(), Failure> {
        let faults = self.faults()?.clone();
        if faults.supervisor().is_none() {
            return Err(refused("this node runs without a supervisor"));
        }
        self.core.spawn_until_stop(async move {
            tokio::time::sleep(ANSWER_TIME).await;
            let asked = faults.supervisor().map(|parent| parent.ask(request));
            if let Some(Err(error)) = asked {
                tracing::warn!(%error, "the supervisor does not listen");
            }
        });
        Ok(())
    }

    /// Where `nodes` listen for nodes, as far as this one knows.
    fn addresses_of(&self, nodes: &[NodeId]) -> BTreeSet<String> {
        let state = self.core.metadata.state();
        let registered = nodes.iter().filter_map(|node| state.node(*node));
        let seeds = self.core.seeds.iter();
        registered
            .map(|node| node.registration.peer_addr.clone())
            .chain(
                seeds
                    .filter(|(node, _)| nodes.contains(node))
                    .map(|(_, addr)| addr.clone()),
            )
            .collect()
    }

    fn chaos_state(&self) -> ChaosState {
        let faults = self.core.config.faults.as_ref();
        let hits = faults.map(Faults::hits).unwrap_or_default();
        ChaosState {
            allowed: faults.is_some(),
            supervised: faults.is_some_and(|faults| faults.supervisor().is_some()),
            ready: self.readiness().is_empty(),
            broken: faults.is_some_and(Faults::is_broken),
            incarnation: self.core.registration.incarnation,
            hits: ChaosHits {
                cut: hits.cut,
                disk: hits.disk,
                clock: hits.clock,
            },
        }
    }
}

fn refused(why: &str) -> Failure {
    let detail = FailureDetail::Reason(Excerpt::new(why));
    Failure::new(ErrorCode::InvalidRequest, detail)
}
