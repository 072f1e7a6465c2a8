//! A party decides for itself. Node and device drive this same code; it does no IO, reads no clock
//! and reaches its shares only through what the shell hands it.
//!
//! One signature walks down: [`wire::SignOrder`] → [`verify::Reviewed`] (charter, approvals, bytes
//! decoded again, own rules) → [`verify::Authorized`] (limits reserved, durably) → a signing session →
//! the signature. One account walks down [`create`] the same way, by [`import`] where its key was made elsewhere. A change of what an account is under
//! passes the [`gate`], with the user's consent where it crosses the red line.

pub mod case;
pub mod charter_change;
pub mod create;
pub mod engine;
pub mod gate;
pub mod guard;
pub mod import;
pub mod peer;
pub mod presign;
pub mod refusal;
pub mod reshare;
pub mod rules;
pub mod rules_change;
pub mod sign;
pub mod statement;
pub mod unread;
pub mod verify;
pub mod wait;
pub mod wire;

pub use refusal::Refusal;
pub use rules::Rules;
