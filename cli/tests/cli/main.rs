//! The real `drover` binary against a server that gives canned answers: exit codes, what goes to which output, words.
#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod approve;
mod dead;
mod definitions;
mod harness;
mod health;
mod lists;
mod logs;
mod many;
mod prune;
mod recover;
mod replay;
mod schedules;
mod show;
mod steer;
mod submit;
mod watch;
