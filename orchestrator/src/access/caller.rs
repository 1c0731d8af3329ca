//! Who asks.

use std::sync::Arc;

use super::{Account, Action, Hash, Role};

/// Who asks, and what that one may do.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What it may; none: only what anybody may.
    pub role: Option<Role>,
    /// Its token; none where nobody is asked, or nothing was offered.
    pub account: Option<Arc<Account>>,
    /// The browser's session that it came by.
    pub session: Option<Hash>,
}

impl Caller {
    /// Somebody of whom nothing is known.
    pub const NOBODY: Self = Self { role: None, account: None, session: None };
    /// Whoever asks where nobody is asked who they are.
    pub const ANYBODY: Self = Self { role: Some(Role::Admin), account: None, session: None };

    /// Whether it may.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        action.role().is_none() || self.role.is_some_and(|role| role.may(action))
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.account.as_ref().map(|account| account.name.as_str())
    }
}

tokio::task_local! {
    // Every page has the caller's name in its head, and leaves out what the caller may not do. It goes by the task and not
    // through each function that draws: what is drawn for whom is no decision of theirs, and none of them decides what may be
    // done, which the gate does before.
    static CALLER: Caller;
}

/// Does something for a caller.
pub(crate) async fn as_caller<T>(caller: Caller, work: impl Future<Output = T>) -> T {
    CALLER.scope(caller, work).await
}

/// For whom this task works.
pub(crate) fn caller() -> Caller {
    CALLER.try_with(Clone::clone).unwrap_or(Caller::NOBODY)
}

/// Whether the caller may: whether a page offers it.
pub(crate) fn may(action: Action) -> bool {
    CALLER.try_with(|caller| caller.may(action)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_only_what_anybody_may() {
        for action in Action::ALL {
            assert_eq!(Caller::NOBODY.may(*action), action.role().is_none(), "{action:?}");
            assert!(Caller::ANYBODY.may(*action), "{action:?}");
        }
    }

    #[tokio::test]
    async fn without_a_word_of_whom_it_is_for_nothing_is_offered() {
        assert!(!may(Action::Read));
        assert!(as_caller(Caller::ANYBODY, async { may(Action::Apply) }).await);
    }
}
