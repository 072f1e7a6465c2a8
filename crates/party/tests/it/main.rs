//! A party's decisions through its public interface, without any process around it.

mod charter_change;
mod charters;
mod guard;
mod rules;
mod rules_change;
mod verify;
