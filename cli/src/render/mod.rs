//! What people see.

pub(crate) mod bar;
pub(crate) mod jobs;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod page;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
