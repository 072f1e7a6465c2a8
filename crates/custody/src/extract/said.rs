//! Which statement of each party counts, and for how much.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, PARTIES_MAX, PartyKind, Terms};
use cohold_model::charter::Charter;
use cohold_model::guardians::{GUARDIANS_MAX, receipt_counts};
use cohold_model::intent::Asset;
use cohold_model::lineage::CHARTERS_MAX;
use cohold_model::statement::{Allowance, FeeBound, Receivers, Statement, VALID_SECONDS, Vouch};
use cohold_model::{Document as _, PartyName, Signed};

use crate::model::Evidence;

/// How far clocks may be apart, in seconds.
const CLOCK_SECONDS_MAX: u64 = 3600;
/// The most allowances of a statement, and the most bounds of fees.
const ALLOWANCES_MAX: usize = 64;
/// The longest symbol, so that the name of its limit is one.
const SYMBOL_BYTES_MAX: usize = 32;
/// The longest contract or receiver.
const TEXT_BYTES_MAX: usize = 128;
/// Decimals of the coin of every chain that has an EIP-155 id.
const COIN_DECIMALS: u8 = 18;
/// Decimals of any amount that fits 256 bits.
const DECIMALS_MAX: u8 = 77;

/// A party's last statement that counts.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) statement: &'a Statement,
    /// `signed` or `asserted`.
    pub(super) evidence: Evidence,
}

impl<'a> Said<'a> {
    /// What a device says of a recovery share of its own entity.
    pub(super) fn vouch_for(&self, card: &Card, terms: &Terms) -> Option<(&'a Vouch, Evidence)> {
        let speaker = terms.party(&self.statement.party).map(|(_, card)| card);
        let own =
            speaker.is_some_and(|speaker| speaker.kind == PartyKind::Device && speaker.entity == card.entity);
        let mut vouches = self.statement.vouches.iter().filter(|_| own && card.kind == PartyKind::Recovery);
        vouches.find(|vouch| vouch.party == card.party).map(|vouch| (vouch, self.evidence))
    }
}

/// Of each party the statement that counts.
pub(super) fn by_party<'a>(
    charter: &Charter,
    statements: &'a [Signed<Statement>],
    now: u64,
) -> BTreeMap<&'a PartyName, Said<'a>> {
    let digest = charter.digest();
    let mut last: BTreeMap<&PartyName, (Rank, Option<&Statement>)> = BTreeMap::new();
    for signed in statements {
        let statement = &signed.document;
        let Statement { account, party, charter: under, epoch, .. } = statement;
        let fits = *account == charter.terms.account && *under == digest && *epoch == charter.epoch;
        let by_party = || {
            let card = charter.terms.party(party).map(|(_, card)| card);
            card.is_some_and(|card| signed.is_signed_by(party, &card.identity))
        };
        if !fits || !by_party() {
            continue;
        }
        let rank = Rank { current: is_current(statement, charter, now), issued_at: statement.issued_at };
        match last.get_mut(party) {
            Some((other, _)) if *other > rank => {}
            Some((other, said)) if *other == rank => *said = said.filter(|said| *said == statement),
            _ => {
                last.insert(party, (rank, Some(statement)));
            }
        }
    }
    let counted = last.into_iter().filter_map(|(party, (rank, statement))| {
        let statement = statement.filter(|statement| is_understood(statement))?;
        let evidence = if rank.current { Evidence::Signed } else { Evidence::Asserted };
        Some((party, Said { statement, evidence }))
    });
    counted.collect()
}

/// The greater counts: current before others, then the later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    current: bool,
    issued_at: u64,
}

/// Not expired, for a day by the party's own clock, and every time in it could be: so a party whose clock is an
/// hour ahead is believed for 25 hours after it spoke.
fn is_current(statement: &Statement, charter: &Charter, now: u64) -> bool {
    let Statement { held_since, issued_at, expires_at, .. } = *statement;
    let not_after = |early: u64, late: u64| early <= late.saturating_add(CLOCK_SECONDS_MAX);
    let valid_seconds = expires_at.checked_sub(issued_at);
    now < expires_at
        && not_after(issued_at, now)
        && valid_seconds.is_some_and(|seconds| seconds <= VALID_SECONDS)
        && not_after(charter.created_at, held_since)
        && not_after(held_since, issued_at)
}

/// Whether what it lets through can be taken at its word.
pub(super) fn is_understood(statement: &Statement) -> bool {
    allowances_are_understood(statement)
        && fees_are_understood(statement)
        && vouches_are_understood(statement)
        && deleted_are_understood(statement)
        && receipts_are_understood(statement)
}

/// Each guardian once.
fn receipts_are_understood(statement: &Statement) -> bool {
    let mut guardians = BTreeSet::new();
    statement.receipts.len() <= usize::from(GUARDIANS_MAX)
        && statement.receipts.iter().all(|receipt| guardians.insert(&receipt.document.guardian))
}

/// Guardians that say, by way of a device of the user's, that they hold their pieces of one giving: the one
/// that the last of them speaks of.
pub(super) fn holding_pieces(
    charter: &Charter,
    said: &BTreeMap<&PartyName, Said<'_>>,
) -> BTreeSet<PartyName> {
    let is_device = |party: &PartyName| {
        let card = charter.terms.party(party).map(|(_, card)| card);
        card.is_some_and(|card| card.kind == PartyKind::Device && charter.terms.is_of_user(card))
    };
    let devices = said.iter().filter(|(party, _)| is_device(party));
    let receipts: Vec<_> = devices
        .flat_map(|(_, said)| &said.statement.receipts)
        .filter(|receipt| receipt_counts(charter, receipt))
        .map(|receipt| &receipt.document)
        .collect();
    let last = receipts.iter().max_by_key(|word| (word.issued_at, word.entrusted)).map(|word| word.entrusted);
    let of_last = receipts.iter().filter(|word| Some(word.entrusted) == last);
    of_last.map(|word| word.guardian.clone()).collect()
}

/// Earlier epochs, each once, in order.
fn deleted_are_understood(statement: &Statement) -> bool {
    let deleted = &statement.deleted;
    deleted.len() < CHARTERS_MAX
        && deleted.iter().all(|epoch| *epoch < statement.epoch)
        && deleted.iter().zip(deleted.iter().skip(1)).all(|(one, next)| one < next)
}

/// Each party once.
fn vouches_are_understood(statement: &Statement) -> bool {
    let mut parties = BTreeSet::new();
    statement.vouches.len() <= usize::from(PARTIES_MAX)
        && statement.vouches.iter().all(|Vouch { party, .. }| parties.insert(party))
}

/// Each chain once, in plain letters.
fn fees_are_understood(statement: &Statement) -> bool {
    let mut chains = BTreeSet::new();
    statement.fees.len() <= ALLOWANCES_MAX
        && statement.fees.iter().all(|FeeBound { chain_id, coin, decimals, .. }| {
            *decimals == COIN_DECIMALS && is_symbol(coin) && chains.insert(chain_id)
        })
}

/// Each asset once, in plain letters, countable.
fn allowances_are_understood(statement: &Statement) -> bool {
    let mut assets = BTreeSet::new();
    statement.allowances.len() <= ALLOWANCES_MAX
        && statement.allowances.iter().all(|allowance| {
            let Allowance { chain_id, asset, symbol, decimals, receivers, .. } = allowance;
            let asset_is_plain = match asset {
                Asset::Native => *decimals == COIN_DECIMALS,
                Asset::Token(contract) => *decimals <= DECIMALS_MAX && is_plain(contract),
            };
            let receivers_are_plain = match receivers {
                Receivers::Any => true,
                Receivers::Only(list) => list.iter().all(|receiver| is_plain(receiver)),
            };
            asset_is_plain
                && receivers_are_plain
                && is_symbol(symbol)
                && assets.insert((chain_id, asset_folded(asset)))
        })
}

fn is_symbol(text: &str) -> bool {
    is_plain(text) && text.len() <= SYMBOL_BYTES_MAX
}

/// Fit for names and sentences.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_$+:".contains(c);
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.chars().all(plain)
}

/// Two writings of one contract are one asset.
pub(super) fn asset_folded(asset: &Asset) -> Option<String> {
    match asset {
        Asset::Native => None,
        Asset::Token(contract) => Some(contract.to_ascii_lowercase()),
    }
}
