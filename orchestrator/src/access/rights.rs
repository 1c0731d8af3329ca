//! Roles, and what each of them may do. This is the one table: routes name their action, pages and documents read it.

use std::{fmt, str::FromStr};

/// What a token is for. Each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads everything but accounts and audit.
    Viewer,
    /// Submits, too.
    Submitter,
    /// Steers what runs, too.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    /// Its name everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; it must be viewer, submitter, operator or admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.chars().take(80).collect()))
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $action:ident = $name:literal, $role:expr;)+) => {
        /// What is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[doc = $doc])+ $action,)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Its name in the audit.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name,)+ }
            }

            /// The least role that may; none: anybody.
            #[must_use]
            pub const fn role(self) -> Option<Role> {
                match self { $(Self::$action => $role,)+ }
            }
        }
    };
}

const ANYBODY: Option<Role> = None;
const VIEWER: Option<Role> = Some(Role::Viewer);
const SUBMITTER: Option<Role> = Some(Role::Submitter);
const OPERATOR: Option<Role> = Some(Role::Operator);
const ADMIN: Option<Role> = Some(Role::Admin);

actions! {
    /// Health, the log-in page and what it loads.
    Open = "open", ANYBODY;
    /// Log in with a token.
    LogIn = "log_in", ANYBODY;
    /// End one's own session.
    LogOut = "log_out", ANYBODY;
    /// Read jobs, logs, definitions, schedules, the fleet, dead letters, metrics.
    Read = "read", VIEWER;
    /// Submit a job.
    Submit = "submit", SUBMITTER;
    /// Cancel jobs.
    Cancel = "cancel", OPERATOR;
    /// Pause a job.
    Pause = "pause", OPERATOR;
    /// Resume a job.
    Resume = "resume", OPERATOR;
    /// Approve or refuse what waits for an answer.
    Answer = "answer", OPERATOR;
    /// Retry jobs.
    Retry = "retry", OPERATOR;
    /// Delete jobs that have ended.
    Delete = "delete", OPERATOR;
    /// Cancel, retry or delete the jobs that are ticked on a page.
    Many = "many", OPERATOR;
    /// Pause job types.
    PauseTypes = "pause_types", OPERATOR;
    /// Resume job types.
    ResumeTypes = "resume_types", OPERATOR;
    /// Turn a schedule on.
    EnableSchedule = "enable_schedule", OPERATOR;
    /// Turn a schedule off.
    DisableSchedule = "disable_schedule", OPERATOR;
    /// Run a schedule now.
    RunSchedule = "run_schedule", OPERATOR;
    /// Tell a worker to take nothing more and to end.
    Drain = "drain", OPERATOR;
    /// Send dead letters again.
    Redrive = "redrive", OPERATOR;
    /// Discard dead letters.
    Discard = "discard", OPERATOR;
    /// Dispatch again what was lost.
    Recover = "recover", OPERATOR;
    /// Delete finished work that is kept no longer, now.
    Prune = "prune", OPERATOR;
    /// Rebuild a job from its history, which keeps a core busy.
    Replay = "replay", OPERATOR;
    /// Register a workflow.
    Apply = "apply", ADMIN;
    /// List tokens.
    ReadTokens = "read_tokens", ADMIN;
    /// Make a token.
    CreateToken = "create_token", ADMIN;
    /// Revoke a token.
    RevokeToken = "revoke_token", ADMIN;
    /// Read the audit.
    ReadAudit = "read_audit", ADMIN;
}

impl Role {
    /// Whether it may.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        action.role().is_none_or(|least| self >= least)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what_is_the_table() {
        let line = |action: &Action| {
            let marks = Role::ALL.map(|role| if role.may(*action) { "x" } else { "-" });
            format!("{:<16} {}", action.as_str(), marks.join(" "))
        };
        let table: Vec<String> = Action::ALL.iter().map(line).collect();
        insta::assert_snapshot!(format!("{:<16} v s o a\n{}", "", table.join("\n")));
    }

    #[test]
    fn the_page_about_accounts_has_every_action_under_its_role() {
        let page = include_str!("../../../docs/accounts.md");
        for action in Action::ALL {
            let Some(role) = action.role() else { continue };
            let row = page.lines().find(|line| line.starts_with(&format!("| `{role}` |"))).unwrap();
            assert!(row.contains(&format!("`{}`", action.as_str())), "{role} lacks {}: {row}", action.as_str());
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for bad in ["", "Admin", "root", "admin "] {
            assert!(bad.parse::<Role>().unwrap_err().to_string().contains("viewer, submitter, operator or admin"));
        }
    }
}
