//! The rules of the protocol that the simulated parts keep. A test breaks one at a time: the simulation must notice.

/// One rule, by what happens when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nobody looks through the outbox for what a crash left.
    OutboxIsSwept,
    /// The relay deletes a row before the broker has confirmed its message.
    RowGoesAfterConfirm,
    /// A worker acknowledges a job message before its `started` is confirmed.
    JobIsAckedAfterStarted,
    /// Intake acknowledges events before their transaction is committed.
    EventsAreAckedAfterCommit,
    /// An event of an older dispatch passes for one of the current dispatch.
    DispatchIsFenced,
    /// An event of another session passes for one of the session that holds the lease.
    SessionIsFenced,
    /// A chunk of an items list that is delivered again is counted again.
    ChunkCountsOnce,
    /// A submission whose key is known makes another job.
    KeyCountsOnce,
    /// A worker starts what was cancelled before the message came.
    TombstonesAreObeyed,
    /// The first worker that meets the message of a cancelled job settles the cancel, though another may hold a copy.
    QueuedCancelSettlesByAcks,
    /// A cancel settles although a live worker has not acknowledged it.
    CancelWaitsForAcks,
    /// A cancel settles although events that were sent before are not folded.
    CancelWaitsForEvents,
    /// A worker that has not been heard for a lease begins what it still has.
    StaleWorkerBeginsNothing,
    /// A replica that lost its connection says at once that it holds no events, although the broker does not know yet.
    LostConnectionHoldsMarkers,
    /// What a lost broker held is not dispatched again.
    LostBrokerIsRecovered,
    /// What a lost broker held is not dispatched again when it still lies in the outbox.
    OwedIsRecovered,
    /// A worker that missed a change of the paused types is not told again, neither when it arrives nor by its heartbeats.
    PausesAreToldAgain,
    /// A lease is never taken from a worker that is lost.
    LeasesExpire,
}

impl Rule {
    /// Every rule.
    pub const ALL: &[Self] = &[
        Self::OutboxIsSwept,
        Self::RowGoesAfterConfirm,
        Self::JobIsAckedAfterStarted,
        Self::EventsAreAckedAfterCommit,
        Self::DispatchIsFenced,
        Self::SessionIsFenced,
        Self::ChunkCountsOnce,
        Self::KeyCountsOnce,
        Self::TombstonesAreObeyed,
        Self::QueuedCancelSettlesByAcks,
        Self::CancelWaitsForAcks,
        Self::CancelWaitsForEvents,
        Self::StaleWorkerBeginsNothing,
        Self::LostConnectionHoldsMarkers,
        Self::LostBrokerIsRecovered,
        Self::OwedIsRecovered,
        Self::PausesAreToldAgain,
        Self::LeasesExpire,
    ];
}
