//! The system end to end: real RabbitMQ, real Postgres, every process a process of its own.

mod accounts;
mod bad_input;
mod cancel;
mod crash;
mod dead;
mod drain;
mod fuzzed_api;
mod goldens;
mod import;
mod live;
mod media;
mod outages;
mod pause;
mod recover;
mod repeat;
mod replay;
mod schedules;
mod shapes;
mod signal;
mod submit;
mod topology;
mod traces;
mod workflows;
