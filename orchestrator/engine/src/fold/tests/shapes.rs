//! Worlds with workflows of any shape.

use super::{tape::Tape, world::World};
use crate::fold::simulation::shapes::workflows;

/// A world with two random workflows, `root` and the `child` that it may run.
pub(super) fn world(tape: &mut Tape) -> World {
    let [root, child] = workflows(tape, 2);
    let mut world = World::with(&[&root, &child]);
    // How soon what is left of a tree waits for the next fold.
    world.limits.effort = tape.of(&[world.limits.effort, 200, 60, 1]).unwrap();
    world
}
