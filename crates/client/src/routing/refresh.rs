//! Learning the layout of topics, also while the nodes that would know are silent.

use std::sync::Arc;
use std::time::Duration;

use floe_model::{ErrorCode, TopicName};
use floe_rpc::{Topics, TopicsRequest};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::{ATTEMPT_TIMEOUT, Call, Tries};
use crate::error::{Attempt, Cause};
use crate::layout::Layout;
use crate::{Client, Error};

/// A node silent for this long is asked no longer alone.
const HEDGE_AFTER: Duration = Duration::from_millis(200);
/// How long a topic may be missing before it counts as missing: nodes learn of new ones one
/// after the other.
const NEWS_DELAY: Duration = Duration::from_millis(500);

impl Client {
    /// Asks for the layout of `topics` and takes it in. Nodes are asked one after the other,
    /// without waiting long for a silent one.
    pub(crate) async fn refresh(
        &self,
        topics: &[TopicName],
        auto_create: bool,
        timeout: Duration,
    ) -> Result<Topics, Error> {
        let after = timeout.min(ATTEMPT_TIMEOUT);
        let asking = self.ask_for_layout(topics, auto_create, after);
        tokio::time::timeout(after, asking)
            .await
            .unwrap_or_else(|_| {
                Err(Error::from(Cause::DeadlineExceeded {
                    after,
                    is_unsure: false,
                    last: None,
                }))
            })
    }

    /// `refresh` without a limit of its own.
    async fn ask_for_layout(
        &self,
        topics: &[TopicName],
        auto_create: bool,
        timeout: Duration,
    ) -> Result<Topics, Error> {
        let request = TopicsRequest {
            names: Some(topics.to_vec()),
            auto_create,
        };
        let mut addrs = self.addrs_to_ask().into_iter();
        let mut asked = FuturesUnordered::new();
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut other = None;
        loop {
            let next = addrs.next();
            let is_last = next.is_none();
            if let Some(addr) = next {
                let request = request.clone();
                asked.push(async move {
                    let ask =
                        |call: Call| async move { call.api.topics(call.context, request).await };
                    let outcome = self.core.control.ask(&addr, timeout, false, ask).await;
                    (addr, outcome)
                });
            }
            let answered = if is_last {
                asked.next().await
            } else {
                match tokio::time::timeout(HEDGE_AFTER, asked.next()).await {
                    Ok(answered) => answered,
                    Err(_) => continue,
                }
            };
            match answered {
                Some((addr, Ok(answer))) => {
                    *self.core.preferred.lock() = Some(addr);
                    self.core.layouts.merge(&answer);
                    return Ok(answer);
                }
                Some((_, Err(error))) => match error.cause() {
                    Cause::Unreachable { attempts: one } => attempts.extend(one.iter().cloned()),
                    _ => other = Some(error),
                },
                None if is_last => {
                    return Err(other.unwrap_or_else(|| Cause::Unreachable { attempts }.into()));
                }
                None => {}
            }
        }
    }

    /// The layout of a topic: as known, or asked for.
    pub(crate) async fn layout_of(
        &self,
        topic: &TopicName,
        auto_create: bool,
        timeout: Duration,
    ) -> Result<Arc<Layout>, Error> {
        if let Some(layout) = self.core.layouts.topic(topic) {
            return Ok(layout);
        }
        self.fresh_layout_of(topic, auto_create, timeout).await
    }

    /// The layout of a topic, asked for now.
    pub(crate) async fn fresh_layout_of(
        &self,
        topic: &TopicName,
        auto_create: bool,
        timeout: Duration,
    ) -> Result<Arc<Layout>, Error> {
        let mut tries = Tries::new(self, timeout);
        let news_due = self.core.env.clock.now() + NEWS_DELAY.min(timeout / 2);
        loop {
            let names = std::slice::from_ref(topic);
            let error = match self.refresh(names, auto_create, tries.left()).await {
                Ok(answer) if answer.topics.iter().any(|info| info.name == *topic) => {
                    if let Some(layout) = self.core.layouts.topic(topic) {
                        return Ok(layout);
                    }
                    Error::from(Cause::Answer)
                }
                Ok(answer) => {
                    let missing = Error::code_error(ErrorCode::UnknownTopicOrPartition);
                    let layouts = &self.core.layouts;
                    let is_stale = layouts.is_stale(topic, answer.metadata_version);
                    if !is_stale && self.core.env.clock.now() >= news_due {
                        layouts.forget(topic);
                        return Err(missing.in_topic(topic));
                    }
                    self.core.prefer_another();
                    missing
                }
                Err(error) if super::is_final(&error) => return Err(error.in_topic(topic)),
                Err(error) => error,
            };
            tries
                .pause(error)
                .await
                .map_err(|error| error.in_topic(topic))?;
        }
    }
}
