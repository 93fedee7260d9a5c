//! Where requests go, and how often: to any node, one node, a partition's leader or a group's
//! coordinator, again and again until the caller's time is over.
//!
//! Invariant: an attempt follows another only after a retriable failure, and a later attempt knows
//! whether an earlier one may have been carried out (`Call::is_unsure`).

mod offsets;
mod refresh;
mod tries;

use std::future::Future;
use std::time::Duration;

use floe_model::{ErrorCode, GroupName, NodeAddress, TopicName};
use floe_rpc::{CallError, ClientCalls, Context, Failure, PartitionKey, ProducerIdentity};
use parking_lot::Mutex;
use tarpc::client::RpcError;

use self::tries::{Tries, is_final};
use crate::connection::Connections;
use crate::error::{Attempt, Cause};
use crate::{Client, Error};

/// One node may take this long to answer a question that others can answer too.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The same, for work that takes a node long.
const PATIENT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// One attempt at a request.
pub(crate) struct Call {
    pub(crate) api: ClientCalls,
    pub(crate) context: Context,
    /// How long this attempt waits for its answer.
    pub(crate) timeout: Duration,
    /// Whether an earlier attempt may have been carried out.
    pub(crate) is_unsure: bool,
}

/// Where a group's coordinator was last seen. One per user of the group.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) group: GroupName,
    addr: Mutex<Option<String>>,
}

impl Coordinator {
    pub(crate) fn new(group: GroupName) -> Self {
        Self {
            group,
            addr: Mutex::new(None),
        }
    }
}

/// Checks a topic's name.
pub(crate) fn topic_name(name: impl Into<String>) -> Result<TopicName, Error> {
    let name = name.into();
    TopicName::new(name.as_str()).map_err(|source| Cause::Name { name, source }.into())
}

/// Checks a group's name.
pub(crate) fn group_name(name: impl Into<String>) -> Result<GroupName, Error> {
    let name = name.into();
    GroupName::new(name.as_str()).map_err(|source| Cause::Name { name, source }.into())
}

impl Connections {
    /// One attempt at one address. The request may have been carried out when it fails.
    pub(crate) async fn ask<T, F>(
        &self,
        addr: &str,
        timeout: Duration,
        is_unsure: bool,
        ask: impl FnOnce(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let connection = self.get(addr).await.map_err(|error| {
            let addr = addr.to_owned();
            Error::from(Cause::Unreachable {
                attempts: vec![Attempt { addr, error }],
            })
        })?;
        let method = |api, context| {
            ask(Call {
                api,
                context,
                timeout,
                is_unsure,
            })
        };
        match connection.call(timeout, method).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(Error::refused(&failure, Some(connection.server().node_id))),
            Err(error) => Err(call_error(addr, timeout, &error)),
        }
    }
}

fn call_error(addr: &str, after: Duration, error: &CallError) -> Error {
    let addr = addr.to_owned();
    match error {
        CallError::Timeout => Cause::NoAnswer { addr, after },
        CallError::Closed => Cause::ConnectionLost { addr },
        CallError::TooLarge => Cause::RequestTooLarge,
        CallError::Server(_) => Cause::Answer,
    }
    .into()
}

impl Client {
    /// Finds out who is there: one round over the seeds, more while nodes say that they start.
    pub(crate) async fn find_cluster(&self, timeout: Duration) -> Result<(), Error> {
        let mut tries = Tries::new(self, timeout);
        loop {
            let ask = |call: Call| async move { call.api.describe_cluster(call.context).await };
            let Err(error) = self
                .round(&mut tries, ATTEMPT_TIMEOUT, ask)
                .await
                .map(|cluster| {
                    self.core
                        .layouts
                        .merge_nodes(&cluster.nodes, cluster.metadata_version);
                })
            else {
                return Ok(());
            };
            if is_final(&error)
                || matches!(error.cause(), Cause::Unreachable { attempts }
                if !attempts.iter().any(Attempt::is_starting))
            {
                return Err(error);
            }
            tries.pause(error).await?;
        }
    }

    /// Asks one node after the other until one answers.
    pub(crate) async fn ask_any<T, F>(
        &self,
        timeout: Duration,
        ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        self.rounds(timeout, ATTEMPT_TIMEOUT, ask).await
    }

    /// `ask_any` for work that takes a node long.
    pub(crate) async fn ask_any_patiently<T, F>(
        &self,
        timeout: Duration,
        ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        self.rounds(timeout, PATIENT_ATTEMPT_TIMEOUT, ask).await
    }

    /// Asks the node at `addr`.
    pub(crate) async fn ask_addr<T, F>(
        &self,
        addr: &str,
        timeout: Duration,
        mut ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let mut tries = Tries::new(self, timeout);
        loop {
            let outcome = self
                .attempt(&mut tries, addr, ATTEMPT_TIMEOUT, &mut ask)
                .await;
            match outcome {
                Err(error) if !is_final(&error) => tries.pause(error).await?,
                outcome => return outcome,
            }
        }
    }

    /// Asks the leader of a partition, wherever it moves.
    pub(crate) async fn ask_leader<T, F>(
        &self,
        topic: &TopicName,
        key: PartitionKey,
        timeout: Duration,
        mut ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let mut tries = Tries::new(self, timeout);
        loop {
            let error = match self.core.layouts.leader(key) {
                None => Error::from(Cause::NoLeader),
                Some((_, _, addr)) => {
                    let outcome = self
                        .attempt(&mut tries, &addr, ATTEMPT_TIMEOUT, &mut ask)
                        .await;
                    match outcome {
                        Err(error) if !is_final(&error) => error,
                        outcome => return outcome,
                    }
                }
            };
            tries.pause(error).await?;
            // Without news the next attempt goes where this one went.
            drop(
                self.refresh(std::slice::from_ref(topic), false, tries.left())
                    .await,
            );
        }
    }

    /// Asks the coordinator of a group, wherever it moves.
    pub(crate) async fn ask_coordinator<T, F>(
        &self,
        coordinator: &Coordinator,
        timeout: Duration,
        mut ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let mut tries = Tries::new(self, timeout);
        loop {
            let known = coordinator.addr.lock().clone();
            let addr = match known {
                Some(addr) => addr,
                None => self.find_coordinator(coordinator, tries.left()).await?,
            };
            match self
                .attempt(&mut tries, &addr, ATTEMPT_TIMEOUT, &mut ask)
                .await
            {
                Err(error) if !is_final(&error) => {
                    if error.code() != Some(ErrorCode::CoordinatorLoading) {
                        *coordinator.addr.lock() = None;
                    }
                    tries.pause(error).await?;
                }
                outcome => return outcome,
            }
        }
    }

    async fn find_coordinator(
        &self,
        coordinator: &Coordinator,
        timeout: Duration,
    ) -> Result<String, Error> {
        let ask = |call: Call| {
            let group = coordinator.group.clone();
            async move { call.api.find_coordinator(call.context, group).await }
        };
        let NodeAddress { client_addr, .. } = self.ask_any(timeout, ask).await?;
        *coordinator.addr.lock() = Some(client_addr.clone());
        Ok(client_addr)
    }

    /// A fresh identity for an idempotent producer.
    pub(crate) async fn new_producer(&self, timeout: Duration) -> Result<ProducerIdentity, Error> {
        let ask = |call: Call| async move { call.api.init_producer(call.context).await };
        self.ask_any(timeout, ask).await
    }

    async fn rounds<T, F>(
        &self,
        timeout: Duration,
        attempt_timeout: Duration,
        mut ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let mut tries = Tries::new(self, timeout);
        loop {
            match self.round(&mut tries, attempt_timeout, &mut ask).await {
                Err(error) if !is_final(&error) => tries.pause(error).await?,
                outcome => return outcome,
            }
        }
    }

    /// Asks each node once until one answers or refuses for good.
    async fn round<T, F>(
        &self,
        tries: &mut Tries<'_>,
        attempt_timeout: Duration,
        mut ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let mut attempts = Vec::new();
        let mut other = None;
        for addr in self.addrs_to_ask() {
            match self.attempt(tries, &addr, attempt_timeout, &mut ask).await {
                Err(error) if !is_final(&error) => match error.cause() {
                    Cause::Unreachable { attempts: one } => attempts.extend(one.iter().cloned()),
                    _ => other = Some(error),
                },
                outcome => {
                    *self.core.preferred.lock() = Some(addr);
                    return outcome;
                }
            }
        }
        Err(other.unwrap_or_else(|| Cause::Unreachable { attempts }.into()))
    }

    async fn attempt<T, F>(
        &self,
        tries: &mut Tries<'_>,
        addr: &str,
        attempt_timeout: Duration,
        ask: impl FnMut(Call) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Result<T, Failure>, RpcError>>,
    {
        let timeout = attempt_timeout.min(tries.left());
        let control = &self.core.control;
        let outcome = control.ask(addr, timeout, tries.is_unsure, ask).await;
        if let Err(error) = &outcome {
            tries.is_unsure |= error.is_outcome_unknown();
        }
        outcome
    }

    /// Every known address once: the one that answered last, the nodes, then the seeds.
    fn addrs_to_ask(&self) -> Vec<String> {
        let mut addrs = Vec::new();
        let preferred = self.core.preferred.lock().clone();
        let nodes = self.core.layouts.addrs();
        for addr in preferred
            .into_iter()
            .chain(nodes)
            .chain(self.core.seeds.iter().cloned())
        {
            if !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        addrs
    }
}
