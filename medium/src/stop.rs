//! The signal by which a node is told to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells everyone who waits for it that the node stops: once, and for good. Clones are one signal.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Gives the signal; giving it again changes nothing.
    pub fn give(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given. Cancel-safe.
    pub async fn given(&self) {
        let mut given = self.0.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = given.wait_for(|&given| given).await;
    }
}
