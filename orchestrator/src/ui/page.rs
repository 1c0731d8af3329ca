//! What every page has: head, navigation, notices, and what makes it live.

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use drover_protocol::JobId;
use maud::{DOCTYPE, Markup, html};

use super::assets;
use crate::{
    access::{Account, Action, caller},
    http::query::Parameters,
};

/// Where in the navigation a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Jobs,
    Run,
    Workers,
    Queues,
    Dead,
    Definitions,
    Schedules,
    Tokens,
    Audit,
    None,
}

const TABS: [(Tab, &str, &str, Action); 10] = [
    (Tab::Overview, "/", "Overview", Action::Read),
    (Tab::Jobs, "/jobs", "Jobs", Action::Read),
    (Tab::Run, "/run", "Run", Action::Submit),
    (Tab::Workers, "/workers", "Workers", Action::Read),
    (Tab::Queues, "/queues", "Queues", Action::Read),
    (Tab::Dead, "/dead", "Dead letters", Action::Read),
    (Tab::Definitions, "/definitions", "Definitions", Action::Read),
    (Tab::Schedules, "/schedules", "Schedules", Action::Read),
    (Tab::Tokens, "/tokens", "Tokens", Action::ReadTokens),
    (Tab::Audit, "/audit", "Audit", Action::ReadAudit),
];

/// A word of what was done, on the page that follows. Only these: an address must not put words into our mouth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Cancelled,
    CancelledNow,
    Paused,
    Resumed,
    Approved,
    Refused,
    Retried,
    Deleted,
    Submitted,
    Known,
    Redriven,
    Discarded,
    Revoked,
    Done,
    DoneInPart,
    Nothing,
    Draining,
    TurnedOn,
    TurnedOff,
}

impl Note {
    const ALL: [Self; 19] = [
        Self::Cancelled,
        Self::CancelledNow,
        Self::Paused,
        Self::Resumed,
        Self::Approved,
        Self::Refused,
        Self::Retried,
        Self::Deleted,
        Self::Submitted,
        Self::Known,
        Self::Redriven,
        Self::Discarded,
        Self::Revoked,
        Self::Done,
        Self::DoneInPart,
        Self::Nothing,
        Self::Draining,
        Self::TurnedOn,
        Self::TurnedOff,
    ];

    /// What it is called in an address.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::CancelledNow => "cancelled_now",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Retried => "retried",
            Self::Deleted => "deleted",
            Self::Submitted => "submitted",
            Self::Known => "known",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
            Self::Revoked => "revoked",
            Self::Done => "done",
            Self::DoneInPart => "done_in_part",
            Self::Nothing => "nothing",
            Self::Draining => "draining",
            Self::TurnedOn => "turned_on",
            Self::TurnedOff => "turned_off",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Cancelled => "The cancel was accepted. It ends when nothing of it runs any more.",
            Self::CancelledNow => "It was cancelled without waiting. What still ran is named as abandoned.",
            Self::Paused => "Paused. What runs goes on to its end.",
            Self::Resumed => "It goes on.",
            Self::Approved => "Approved. The workflow goes on.",
            Self::Refused => "Refused. The step has failed.",
            Self::Retried => "It is tried again.",
            Self::Deleted => "It was deleted, with all that belonged to it.",
            Self::Submitted => "It was submitted.",
            Self::Known => "The same form had been sent before; this is the job that it made.",
            Self::Redriven => "It was sent again.",
            Self::Discarded => "It was discarded.",
            Self::Revoked => "It was revoked. Within 5 seconds nobody comes in with it any more.",
            Self::Done => "It was done with all of them.",
            Self::DoneInPart => "It was done with those that allow it. The state of the others does not.",
            Self::Draining => "It was told to end: it takes no new jobs and finishes what it runs.",
            Self::TurnedOn => "It is on. What went by while it was off is not made up for.",
            Self::TurnedOff => "It is off, until somebody turns it on. Runs that were made go on.",
            Self::Nothing => "Nothing was chosen: tick the jobs that are meant.",
        }
    }
}

/// What a page looks at again: when something changed, and now and then in any case.
#[derive(Clone, Debug)]
struct Live {
    /// The stream of changes.
    events: String,
    /// Longest time between two looks, in seconds.
    every_seconds: u32,
}

/// A page.
pub(super) struct Page {
    title: String,
    tab: Tab,
    note: Option<Note>,
    live: Option<Live>,
    body: Markup,
}

impl Page {
    /// A page that stays as it is.
    pub(super) fn new(title: impl Into<String>, tab: Tab, body: Markup) -> Self {
        Self { title: title.into(), tab, note: None, live: None, body }
    }

    /// Shows what was done before, if the address says so.
    pub(super) fn noting(mut self, parameters: &Parameters) -> Self {
        let name = parameters.text("note");
        self.note = Note::ALL.into_iter().find(|note| name == Some(note.name()));
        self
    }

    /// Follows every change.
    pub(super) fn live(self, every_seconds: u32) -> Self {
        let live = Some(Live { events: "/api/v1/events".into(), every_seconds });
        Self { live, ..self }
    }

    /// Follows the changes of one tree.
    pub(super) fn live_tree(self, root: JobId, every_seconds: u32) -> Self {
        let live = Some(Live { events: format!("/api/v1/events?root={root}"), every_seconds });
        Self { live, ..self }
    }

    fn render(&self) -> Markup {
        let events = self.live.as_ref().map(|live| live.events.as_str());
        let every = self.live.as_ref().map(|live| live.every_seconds);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Drover" }
                    link rel="icon" href=(assets::icon());
                    link rel="stylesheet" href=(assets::style());
                    script src=(assets::script()) defer {}
                }
                body data-events=[events] data-every=[every] {
                    a.skip href="#main" { "To the content" }
                    (self.header())
                    main id="main" tabindex="-1" {
                        @if let Some(note) = self.note { p.note role="status" { (note.words()) } }
                        (self.body)
                    }
                    footer.foot { a href="/api" { "API" } }
                }
            }
        }
    }

    fn header(&self) -> Markup {
        let caller = caller();
        // Where nobody is asked who they are there is nothing to see of accounts.
        let is_there = |tab: Tab| caller.account.is_some() || !matches!(tab, Tab::Tokens | Tab::Audit);
        html! {
            header.top {
                a.brand href="/" { img src=(assets::icon()) alt="" width="22" height="22"; "Drover" }
                nav aria-label="Pages" {
                    @for (tab, path, title, action) in TABS {
                        @if caller.may(action) && is_there(tab) {
                            a href=(path) aria-current=[(tab == self.tab).then_some("page")] { (title) }
                        }
                    }
                }
                @if self.live.is_some() {
                    p.live id="live" hidden role="status" { "live" }
                }
                @if let Some(account) = &caller.account { (who(account)) }
            }
        }
    }
}

/// Who is logged in, and the way out.
fn who(account: &Account) -> Markup {
    html! {
        div.who {
            span { strong { (account.name) } " " span.muted { (account.role) } }
            form method="post" action="/logout" { button { "Log out" } }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Html(self.render().into_string()).into_response();
        // What is shown is true now.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
