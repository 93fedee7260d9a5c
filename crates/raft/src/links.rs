//! The links to the other nodes, by node id.
//!
//! One link per peer serves all groups. Groups ask for a link each time they need it, so that a
//! peer may get another address, or appear, while its groups wait.

use std::collections::BTreeMap;

use floe_env::Env;
use floe_model::NodeId;
use floe_rpc::{LinkLimits, LinkState, PeerIdentity, PeerLink, PeerTarget};
use parking_lot::Mutex;
use tokio::sync::watch;

/// All links of a node.
pub(crate) struct Links {
    env: Env,
    me: watch::Sender<PeerIdentity>,
    links: Mutex<BTreeMap<NodeId, (PeerTarget, PeerLink)>>,
    changed: watch::Sender<()>,
}

/// What [`Links::set`] did.
#[derive(Default)]
pub(crate) struct LinkChanges {
    pub(crate) started: Vec<(NodeId, PeerLink)>,
    pub(crate) stopped: Vec<(NodeId, PeerLink)>,
}

impl Links {
    pub(crate) fn new(env: Env, me: PeerIdentity) -> Self {
        Self {
            env,
            me: watch::Sender::new(me),
            links: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// What this node says of itself.
    pub(crate) fn me(&self) -> PeerIdentity {
        self.me.borrow().clone()
    }

    pub(crate) fn change_me(&self, change: impl FnOnce(&mut PeerIdentity)) {
        self.me.send_modify(change);
    }

    /// Makes the links be exactly these. Links to unchanged targets go on.
    pub(crate) fn set(&self, targets: BTreeMap<NodeId, PeerTarget>) -> LinkChanges {
        let mut changes = LinkChanges::default();
        let mut links = self.links.lock();
        let before = std::mem::take(&mut *links);
        for (node, (target, link)) in before {
            if targets.get(&node) == Some(&target) {
                links.insert(node, (target, link));
            } else {
                changes.stopped.push((node, link));
            }
        }
        for (node, target) in targets {
            links.entry(node).or_insert_with(|| {
                let limits = LinkLimits::default();
                let link = PeerLink::start(&self.env, &self.me.subscribe(), &target, limits);
                changes.started.push((node, link.clone()));
                (target, link)
            });
        }
        drop(links);
        self.changed.send_replace(());
        changes
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<PeerLink> {
        self.links.lock().get(&node).map(|(_, link)| link.clone())
    }

    pub(crate) fn target(&self, node: NodeId) -> Option<PeerTarget> {
        let links = self.links.lock();
        links.get(&node).map(|(target, _)| target.clone())
    }

    /// Waits until there is a link to `node` and it is up. Costs nothing while it waits.
    pub(crate) async fn up(&self, node: NodeId) -> PeerLink {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let Some(link) = self.get(node) else {
                // The sender is in `self`: a change is the only way on.
                drop(changed.changed().await);
                continue;
            };
            let mut state = link.state();
            let is_up = state.wait_for(|state| matches!(state, LinkState::Up { .. }));
            tokio::select! {
                up = is_up => if up.is_ok() { return link },
                _ = changed.changed() => continue,
            }
            // The link was shut down; the next one is announced.
            drop(changed.changed().await);
        }
    }
}
