//! The metadata as applied on this node, for everybody to read and to wait on.
//!
//! A view is immutable and consistent; a newer one replaces it whole.

use std::sync::Arc;

use floe_metadata::State;
use floe_model::LogIndex;
use tokio::sync::watch;

/// The state after the entry `applied`.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataView {
    pub(crate) applied: Option<LogIndex>,
    pub(crate) state: Arc<State>,
}

/// Where the metadata state machine publishes.
pub(crate) type MetadataPublisher = watch::Sender<MetadataView>;

/// Reads the newest view. Clones are independent readers.
#[derive(Clone)]
pub(crate) struct MetadataWatch(watch::Receiver<MetadataView>);

/// A publisher with an empty state and its first reader.
pub(crate) fn publisher() -> (MetadataPublisher, MetadataWatch) {
    let (sender, receiver) = watch::channel(MetadataView::default());
    (sender, MetadataWatch(receiver))
}

impl MetadataWatch {
    /// The newest state.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.0.borrow().state)
    }

    /// The newest view.
    pub(crate) fn view(&self) -> MetadataView {
        self.0.borrow().clone()
    }

    /// The newest state, which this reader has then seen.
    pub(crate) fn seen(&mut self) -> Arc<State> {
        Arc::clone(&self.0.borrow_and_update().state)
    }

    /// Waits for a view that this reader has not seen. Pending for ever once nobody publishes.
    pub(crate) async fn changed(&mut self) -> Arc<State> {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.0.borrow_and_update().state)
    }

    /// Waits until `wanted` holds. Pending for ever once nobody publishes: callers bound it.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&MetadataView) -> bool) -> MetadataView {
        let mut receiver = self.0.clone();
        let found = receiver
            .wait_for(|view| wanted(view))
            .await
            .map(|view| view.clone());
        match found {
            Ok(view) => view,
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the entry at `index` is applied here.
    pub(crate) async fn applied(&self, index: Option<LogIndex>) -> MetadataView {
        self.wait_for(|view| view.applied >= index).await
    }
}
