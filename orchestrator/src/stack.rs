//! Room for what strangers nest, and an allocator that gives memory back.
//!
//! A message's headers may nest lists as deep as a frame has room for: 26,000 times. The AMQP library reads them recursively
//! and without a limit, on a thread whose stack it does not choose, so whoever may submit could end every orchestrator with one
//! message that is delivered again and again. The standard library takes the size of such stacks from the environment, and
//! reads it once, so the program starts itself anew with it. Memory is taken only as deep as a stack ever was.

use std::{env, num::NonZero, os::unix::process::CommandExt as _, process::Command, thread};

use anyhow::Context as _;

const VARIABLE: &str = "RUST_MIN_STACK";
/// What jemalloc reads at its start: <https://jemalloc.net/jemalloc.3.html#tuning>.
const ALLOCATOR: &str = "_RJEM_MALLOC_CONF";
/// Twice of what the deepest headers took without optimisation (measured with lapin 4.12: between 16 and 64 MiB).
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Makes sure that every thread has room enough; a size that somebody has set stands.
pub(super) fn ensure_depth() -> anyhow::Result<()> {
    if env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut again = Command::new(env::current_exe().context("this program cannot be found")?);
    again.arg0(name).args(arguments).env(VARIABLE, STACK_BYTES.to_string());
    if env::var_os(ALLOCATOR).is_none() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        // A heap for each core, not four; and a thread of its own that gives back what an idle one does not.
        again.env(ALLOCATOR, format!("narenas:{cores},background_thread:true"));
    }
    let error = again.exec();
    Err(error)
        .context("this program cannot be started again with larger stacks; setting RUST_MIN_STACK makes that needless")
}
