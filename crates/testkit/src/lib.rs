//! Real parties on a relay that the test owns.
//!
//! A [`Cluster`] runs parties as a node runs them (folder, vault, database, WebSocket), each in a
//! runtime of its own that can be cut off and started again from its folder. The coordinator and the
//! relay are the test: it says what it likes to whom it likes, and decides on every envelope between
//! parties ([`relay::Interceptor`]). A [`reseal::TwoFaced`] peer lies with its own keys.
//!
//! [`sim`] is the other kind of cluster: all of it in one thread, from one seed, with crashes and restored disks.
//!
//! This crate is for tests only: what cannot be set up panics.
//!
//! # Which attack is tested where
//!
//! Rows are those of the attack list. `parties` is `crates/testkit/tests/parties`, `malicious` is
//! `crates/mpc-ecdsa/tests/ecdsa/malicious.rs`, `session` is `crates/mpc/tests/session.rs`.
//!
//! | row | attack | through real parties | at the protocol |
//! |---|---|---|---|
//! | 4 | ambiguous hashing | `parties/peers::row_04_distinct_sessions_have_distinct_names` | `cohold-model`: `canonical::tests::{distinct_tuples_give_distinct_digests, golden_digest}` |
//! | 5 | transplanted messages and proofs | `parties/peers::row_05_transplanted_envelopes_are_ignored` | `malicious::{envelopes_and_proofs_do_not_transplant, one_party_cannot_echo_anothers_opening, a_proof_binds_its_session}` |
//! | 8 | tampered oblivious transfer | `parties/peers::row_08_a_tampered_oblivious_transfer_bans_for_ever`, `parties/bans` | `malicious::tampered_oblivious_transfer_bans` |
//! | 9 | false ban | `parties/peers::row_09_parties_in_different_sessions_blame_nobody`, `parties/bans::row_09_a_liars_word_bans_nobody` | `malicious::honest_parties_that_disagree_are_not_banned` |
//! | 12 | zero or duplicate index | `parties/orders::{row_12_indices_that_do_not_exist_are_no_orders, orders_that_cannot_be_are_refused}` | `malicious::values_modulo_the_order_are_refused`, `stored::damaged_shares_are_refused` |
//! | 13 | equivocated broadcast | `parties/peers::row_13_an_equivocated_key_generation_leaves_no_account` | `malicious::equivocated_commitments_are_echoed`, `session::equivocated_broadcasts_abort_before_any_output` |
//! | 15 | reuse of presignatures | `parties/presigned::row_15_a_presignature_signs_one_order` | `cohold-mpc-cggmp`: `presign::row_15_no_part_leaves_without_a_grant_for_this_very_message` |
//! | 16 | restored presignatures | `parties/presigned::row_16_a_restored_party_goes_on_above_what_its_peer_counted` | – |
//! | 19 | chain-code disagreement | `parties/peers::row_19_a_chain_code_that_was_not_committed_to_aborts` | `malicious::a_changed_chain_code_aborts` |
//! | 20 | nonce reuse, replay, junk | `parties/peers::{row_20_replays_and_junk_abort_nothing, row_20_no_two_envelopes_share_a_key_and_nonce}`, `parties/words::{junk_is_ignored, a_flood_of_strays_only_delays}` | `session::{transplanted_forged_and_broken_envelopes_are_ignored, a_round_is_sealed_once}` |
//! | 21 | forged inner sender | `parties/peers::row_21_a_forged_inner_sender_is_named`, `parties/words::a_party_is_not_the_coordinator` | `malicious::inner_senders_are_checked`, `session::a_forged_inner_sender_names_its_culprit` |
//! | 24 | policy race | `parties/spending::{row_24_a_thousand_orders_at_once_share_one_limit, row_24_orders_over_the_relay_share_one_limit}` | – |
//! | 25 | blind signing | `parties/orders::row_25_bytes_that_differ_from_the_intent_are_refused` | `cohold-party`: `verify::every_word_of_an_order_is_bound` |
//! | 26 | hostile coordinator | `parties/orders::{row_26_a_hostile_coordinator_gets_no_signature_against_the_rules, claimed_approvals_do_not_count, what_is_late_or_too_early_is_refused, orders_that_cannot_be_are_refused}`, `parties/spending::replayed_orders_are_signed_and_counted_once`, all of `parties/charters` and `parties/words` | – |
//!
//! Restarts are in `parties/restart`, a bad relay without malice in `parties/honest`, and that no log
//! holds a secret is tested by `tests/logs.rs`.

pub mod account;
pub mod cluster;
pub mod epoch;
pub mod mail;
pub mod party;
pub mod relay;
pub mod reseal;
pub mod sim;
pub mod weather;

pub use account::{Account, Wish};
pub use cluster::{Answer, Cluster};
pub use mail::{Letter, Mail};
pub use party::Party;
pub use relay::{Delivery, Interceptor, Passing, Relay};
pub use reseal::{TwoFaced, Words};
pub use weather::Weather;

/// How long a test waits for what must come. Longer than any step takes, so that only a defect meets it.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
