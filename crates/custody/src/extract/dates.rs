//! When things happened that are no part of who can do what, but of what to do about it: since when the
//! parties are these, when a recovery file was last seen to open, when the way out was last rehearsed.
//!
//! All of it is the word of charters and statements that count; no more than that.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_model::civil::utc;
use cohold_model::lineage::Lineage;
use cohold_model::statement::Statement;
use cohold_model::{Epoch, PartyName, Signed};
use serde::Serialize;

use super::said::{self, Said};
use crate::words;

/// What is known of when. All times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dates {
    /// The epochs, the first one first; the last one is in force.
    pub epochs: Vec<Began>,
    /// The recovery shares of the charter in force.
    pub recovery: BTreeMap<PartyName, Seen>,
    /// When the way out was last rehearsed, by the device that says so; none where none has said so.
    pub drilled: Option<Told>,
    /// When a device exported the whole key.
    pub exported: Option<Told>,
}

/// An epoch of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Began {
    /// Which.
    pub epoch: Epoch,
    /// When it was proposed.
    pub at: u64,
    /// Who held a share in it.
    pub parties: Vec<PartyName>,
    /// How many of them signed together.
    pub threshold: u8,
}

/// What a device says of a recovery share that was made on it; nothing where none speaks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// When it was made.
    pub made_at: Option<u64>,
    /// When its file was last seen to open; none: never since.
    pub opened_at: Option<u64>,
}

/// Something that a party says happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When.
    pub at: u64,
    /// Who says so.
    pub by: PartyName,
}

impl Dates {
    /// Of these charters and of the statements that count as of `now`.
    #[must_use]
    pub fn new(lineage: &Lineage, statements: &[Signed<Statement>], now: u64) -> Self {
        let charter = &lineage.current().document;
        let said = said::by_party(charter, statements, now);
        let began = |signed: &Signed<Charter>| {
            let charter = &signed.document;
            let parties = charter.terms.parties.iter().map(|card| card.party.clone()).collect();
            let (epoch, at, threshold) = (charter.epoch, charter.created_at, charter.terms.threshold);
            Began { epoch, at, parties, threshold }
        };
        let recoveries = charter.terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
        let recovery = recoveries.map(|card| {
            let vouch = said.values().find_map(|said| said.vouch_for(card, &charter.terms));
            let seen =
                vouch.map(|(vouch, _)| Seen { made_at: Some(vouch.held_since), opened_at: vouch.opened_at });
            (card.party.clone(), seen.unwrap_or_default())
        });
        Self {
            epochs: lineage.charters().map(began).collect(),
            recovery: recovery.collect(),
            drilled: last(&said, |said| said.drilled_at),
            exported: last(&said, |said| said.exported_at),
        }
    }

    /// As a section of the sheet.
    #[must_use]
    pub fn render(&self) -> String {
        let mut lines = Vec::new();
        for (place, Began { epoch, at, parties, threshold }) in self.epochs.iter().enumerate() {
            let parties: Vec<_> = parties.iter().map(ToString::to_string).collect();
            let (parties, n) = (words::list(&parties), parties.len());
            let now = if place.saturating_add(1) == self.epochs.len() { ", in force" } else { "" };
            lines.push(format!("epoch {}{now}: since {}, {threshold} of {n}: {parties}", epoch.0, utc(*at)));
        }
        for (party, Seen { made_at, opened_at }) in &self.recovery {
            lines.push(match (made_at, opened_at) {
                (_, Some(at)) => format!("recovery file of {party}: last seen to open {}", utc(*at)),
                (Some(at), None) => format!(
                    "recovery file of {party}: made {}, NEVER SEEN TO OPEN SINCE; try it: cohold recovery check",
                    utc(*at)
                ),
                (None, None) => format!("recovery file of {party}: nobody says when it was last seen to open"),
            });
        }
        lines.push(match &self.drilled {
            Some(Told { at, by }) => format!("way out: last rehearsed {}, says {by}", utc(*at)),
            None => {
                "way out: NEVER REHEARSED, as far as the devices say; try it: cohold exit drill".to_owned()
            }
        });
        if let Some(Told { at, by }) = &self.exported {
            lines.push(format!("the whole key was exported {}, says {by}", utc(*at)));
        }
        lines.iter().fold("WHEN\n".to_owned(), |mut page, line| {
            let _ = write!(page, "{}", words::wrap("  - ", line));
            page
        })
    }
}

/// The last time that any party says.
fn last(said: &BTreeMap<&PartyName, Said<'_>>, when: impl Fn(&Statement) -> Option<u64>) -> Option<Told> {
    let told = |(party, said): (&&PartyName, &Said<'_>)| {
        Some(Told { at: when(said.statement)?, by: (**party).clone() })
    };
    said.iter().filter_map(told).max_by_key(|told| told.at)
}
