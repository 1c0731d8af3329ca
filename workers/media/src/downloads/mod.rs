//! The drop folder: what is in it, whether it is complete, and how it comes into the library.

mod complete;
mod find;
mod link;

pub use complete::{Unfinished, second_look};
pub use find::{Item, Look, find, is_video};
pub use link::{LinkError, Linked, link};
