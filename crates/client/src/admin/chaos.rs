//! Faults of nodes whose configuration allows them.

use floe_rpc::{ChaosRequest, ChaosState};

use super::Admin;
use crate::Error;
use crate::routing::Call;

impl Admin {
    /// Injects, ends or describes faults of the node that serves clients at `addr`. A request
    /// that is not answered in time is sent again, so a fault may be injected twice.
    ///
    /// # Errors
    /// `InvalidInput` where faults are not allowed, `Unavailable`.
    pub async fn chaos(&self, addr: &str, request: ChaosRequest) -> Result<ChaosState, Error> {
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.chaos(call.context, request).await }
        };
        self.client.ask_addr(addr, self.timeout, ask).await
    }
}
