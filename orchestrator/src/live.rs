//! Who watches is told what changed: in this process at once, in the other replicas by the broker.

use std::sync::Arc;

use drover_protocol::JobId;
use tokio::sync::{broadcast, mpsc};

/// A watcher that falls this far behind reads the state anew, which is what it does anyway.
const BACKLOG: usize = 1_024;

/// The trees that changed.
pub type Changed = Arc<[JobId]>;

/// What the other replicas are told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The trees that changed.
    pub roots: Changed,
    /// A cancel may be among the changes: it settles when every replica has beaten.
    pub pressing: bool,
}

/// Tells those who watch.
#[derive(Clone, Debug)]
pub struct Live {
    here: broadcast::Sender<Changed>,
    elsewhere: mpsc::Sender<Told>,
}

impl Live {
    /// A teller, and what it has to say to the other replicas.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (here, _) = broadcast::channel(BACKLOG);
        let (elsewhere, outgoing) = mpsc::channel(BACKLOG);
        (Self { here, elsewhere }, outgoing)
    }

    /// Trees changed by this replica. `pressing`: see [`Told`].
    pub fn changed(&self, roots: &[JobId], pressing: bool) {
        if roots.is_empty() {
            return;
        }
        let roots: Changed = roots.into();
        // Nobody may be watching; the other replicas catch up with the next change.
        let _ = self.here.send(Arc::clone(&roots));
        let _ = self.elsewhere.try_send(Told { roots, pressing });
    }

    /// Trees changed by another replica.
    pub fn heard(&self, roots: Changed) {
        let _ = self.here.send(roots);
    }

    /// Hears of every change from now on. A `Lagged` error means: look at everything again.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Changed> {
        self.here.subscribe()
    }
}
