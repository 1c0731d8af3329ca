//! docker-compose.yml, checked as far as a machine without a container engine can: the file against its schema, and its
//! commands, users, rights and environment as plain processes against private servers.

mod deployment;
mod file;
mod outside;
mod production;
mod rights;
mod system;
