//! Setting up on real services: from the environment to an `.env` that is enough, topics and rights, and what is said
//! when something is wrong.

mod common;

use common::World;

#[test]
fn a_profile_is_set_up_on_the_services_and_talks() {
    let Some(world) = World::on_services("a_profile_is_set_up_on_the_services_and_talks") else { return };
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    alice.message("#net", "hello");
    alice.hears("hello");
    assert_eq!(alice.end(), Some(0));
}
