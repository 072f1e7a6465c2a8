//! Another charter for an account: what a resharing means, computed from the charter in force and the
//! new terms alone, so that no two parties can come to different sentences.
//!
//! Two readings are joined. The custody models of old and new terms say who gains and who loses. The
//! letter says what no model can: a party is new, and whose it is, is the proposer's word; a party of the
//! user's is left out; who may approve changes. Only a resharing that is wider in neither reading is dealt
//! on the proposal of an approver alone: other shares for the same parties, an outsider left out.
//!
//! Who consents is of the charter in force: a device of the user's. Where none of them is to stay, the
//! user's recovery party may speak instead: that is how somebody comes back whose device is lost.

use std::collections::BTreeSet;

use cohold_custody::difference;
use cohold_custody::extract::{Structures, structures};
use cohold_model::account::{Card, PartyKind, Role, Terms};
use cohold_model::change::{Change, Consent};
use cohold_model::charter::Charter;
use cohold_model::guardians::{GuardianCard, Guardians};
use cohold_model::lineage::CHARTERS_MAX;
use cohold_model::{Document as _, Engine, EntityName, Resharing, Signed};

use crate::gate::{AssessError, Assessment, check_consent, is_of_user};
use crate::refusal::{Code, Refusal};
use crate::verify::HORIZON_SECONDS_MAX;

/// How far the clocks of two parties may be apart, in seconds.
const CLOCK_SECONDS_MAX: u64 = 3600;

/// What it means for an account that `resharing` takes the place of its charter.
///
/// # Errors
/// Where the resharing does not fit the charter, or cannot be weighed.
pub fn assess(old: &Charter, resharing: &Resharing) -> Result<Assessment, AssessError> {
    resharing.check(old)?;
    if usize::try_from(old.version).map_or(true, |charters| charters >= CHARTERS_MAX) {
        return Err(AssessError::Charters(old.version));
    }
    let models = structures(&old.terms, &resharing.terms).map_err(AssessError::Terms)?;
    let difference = difference(&models.before, &models.after)?;
    let conditions = conditions(old, resharing, &models);
    let change = Change::Resharing { resharing: resharing.digest() };
    Assessment::new(old, change, conditions, difference, consenters(&old.terms, &resharing.terms))
}

/// The gate of a party that is under `old`: whether it takes part in the resharing, dealing or staying.
///
/// Signed by its proposer, of now, fit for the charter in force; and where only the user can allow it,
/// with the user's consent to its very sentences.
///
/// # Errors
/// The refusal to be sent; with [`Code::RedLine`] it carries the sentences that want a consent.
pub fn admit(
    old: &Charter,
    resharing: &Signed<Resharing>,
    consent: Option<&Signed<Consent>>,
    now: u64,
) -> Result<Assessment, Refusal> {
    let Resharing { proposer, created_at, .. } = &resharing.document;
    let assessment = assess(old, &resharing.document)?;
    let by = old.terms.party(proposer).map(|(_, card)| card);
    if !by.is_some_and(|card| resharing.is_signed_by(proposer, &card.identity)) {
        return Err(Refusal::new(Code::Change, format!("the resharing is not signed by `{proposer}`")));
    }
    let (late, early) = (now.saturating_sub(*created_at), created_at.saturating_sub(now));
    if late > HORIZON_SECONDS_MAX || early > CLOCK_SECONDS_MAX {
        let message = "the resharing is older than 25 hours, or a clock is wrong: propose it again";
        return Err(Refusal::new(Code::Expired, message));
    }
    if assessment.needs_consent() {
        let consent = consent.ok_or_else(|| assessment.refusal())?;
        check_consent(&assessment, consent, now)?;
    }
    Ok(assessment)
}

/// Who may consent: the user's devices under the charter in force; the user's recovery parties where no
/// device of the user's stays, or where there is none; the approvers where the user has neither.
fn consenters(old: &Terms, new: &Terms) -> Vec<Card> {
    let of_user = |kind| old.parties.iter().filter(move |card| is_of_user(old, card, kind)).cloned();
    let stays = |card: &Card| new.party_by_identity(&card.identity).is_some();
    let mut consenters: Vec<_> = of_user(PartyKind::Device).collect();
    if !consenters.iter().any(stays) {
        consenters.extend(of_user(PartyKind::Recovery));
    }
    if consenters.is_empty() {
        consenters = old.parties.iter().filter(|card| old.approvers.contains(&card.party)).cloned().collect();
    }
    consenters
}

/// What a custody model cannot see, in sentences, in the order of the parties.
fn conditions(old: &Charter, resharing: &Resharing, models: &Structures) -> Vec<String> {
    let mut said = engine(old, resharing);
    let (old, new) = (&old.terms, &resharing.terms);
    if new.threshold < old.threshold {
        let parties = |terms: &Terms| format!("{} of {} parties", terms.threshold, terms.parties.len());
        said.push(format!("{} sign from now on, {} before.", parties(new), parties(old)));
    }
    for (entity, role) in &new.entities {
        if !old.entities.contains_key(entity) {
            said.push(format!("{entity} comes in as {}; that is the proposer's word.", part(*role)));
        }
    }
    for card in &new.parties {
        let approves = new.approvers.contains(&card.party);
        match old.party_by_identity(&card.identity) {
            None => said.push(joins(new, card, models.labels.get(&card.party), approves)),
            Some((_, known)) => match (old.approvers.contains(&known.party), approves) {
                (false, true) => said.push(format!("{} may approve payments from now on.", named(card))),
                (true, false) => said.push(format!("{} may no longer approve payments.", named(card))),
                _ => {}
            },
        }
    }
    let leaves = |card: &&Card| new.party_by_identity(&card.identity).is_none();
    let of_user = |card: &&Card| old.is_of_user(card);
    for card in old.parties.iter().filter(leaves).filter(of_user) {
        let named = named(card);
        said.push(format!("{named} is left out: its share is worth nothing to those who sign from now on."));
    }
    said.extend(guarded(old, new));
    said.extend(shrunk(old, new));
    said
}

/// What another engine is worth, as no model tells protocols apart.
fn engine(old: &Charter, resharing: &Resharing) -> Vec<String> {
    match (old.engine, resharing.engine) {
        (Engine::Dkls23, Engine::Cggmp24) => vec![
            "Payments are signed by cggmp24 from now on, before by dkls23; the shares and the address stay."
                .into(),
            "cggmp24 is an alpha and not constant-time: a flaw in it may leak shares to a party that takes              part, and its timing may tell others on the same machine."
                .into(),
            "Recovery files take no part in it: they sign alone with this user's other shares, by dkls23."
                .into(),
        ],
        (Engine::Cggmp24, Engine::Dkls23) => vec![
            "Payments are signed by dkls23 from now on, before by cggmp24; the shares and the address stay."
                .into(),
        ],
        (Engine::Dkls23, Engine::Dkls23) | (Engine::Cggmp24, Engine::Cggmp24) => Vec::new(),
    }
}

/// Who the guardians are, and how long everybody waits, where that is another than before. Whose share they
/// hold is not said: it is made anew in every epoch.
fn guarded(old: &Terms, new: &Terms) -> Option<String> {
    let same = |one: &Guardians, other: &Guardians| {
        let terms = |it: &Guardians| (it.party.clone(), it.needed, it.delay_seconds);
        terms(one) == terms(other) && one.people == other.people
    };
    let guardians = match (&old.guardians, &new.guardians) {
        (Some(before), Some(after)) if same(before, after) => return None,
        (None, None) => return None,
        (Some(_), None) => return Some("Nobody is a guardian from now on.".into()),
        (_, Some(guardians)) => guardians,
    };
    let Guardians { party, needed, delay_seconds, people } = guardians;
    let who = |person: &GuardianCard| {
        let GuardianCard { name, entity, identity, .. } = person;
        format!("{name} of {entity} with the fingerprint {}", identity.fingerprint())
    };
    let who: Vec<String> = people.iter().map(who).collect();
    let (count, who) = (people.len(), who.join(", "));
    let before = match &old.guardians {
        Some(before) if before.delay_seconds > *delay_seconds => {
            format!(", {} before", before.delay_seconds)
        }
        _ => String::new(),
    };
    Some(format!(
        "{needed} of {count} guardians hold the share of `{party}` together: {who}. They and the nodes wait {delay_seconds} seconds at least{before}. That share approves no payments."
    ))
}

/// Of several users, each who could move alone and no longer can: the models take them for one, and what
/// one of them gains makes up for nobody's loss.
fn shrunk(old: &Terms, new: &Terms) -> Vec<String> {
    let is_user = |(_, role): &(&EntityName, &Role)| **role == Role::User;
    let users: BTreeSet<_> =
        old.entities.iter().chain(&new.entities).filter(is_user).map(|(name, _)| name).collect();
    if users.len() < 2 {
        return Vec::new();
    }
    let moves = |terms: &Terms, user: &EntityName| {
        let own = terms.parties.iter().filter(|card| card.entity == *user).count();
        own >= usize::from(terms.threshold)
    };
    let loses = |user: &&&EntityName| moves(old, user) && !moves(new, user);
    let said = |user: &EntityName| format!("{user} alone could move the funds; from now on, never.");
    users.iter().filter(loses).map(|user| said(user)).collect()
}

fn joins(new: &Terms, card: &Card, label: Option<&String>, approves: bool) -> String {
    let Card { party, entity, kind, identity, .. } = card;
    let whose = match new.entities.get(entity) {
        Some(Role::User) => format!("as {entity}'s own"),
        Some(role) => format!("as a party of {entity}, {}", part(*role)),
        None => format!("as a party of {entity}"),
    };
    let kind = kind.words();
    let fingerprint = identity.fingerprint();
    let mut said = format!("a new {kind} `{party}` with the fingerprint {fingerprint} joins {whose}");
    if let Some(label) = label.filter(|label| *label != party.as_str()) {
        said.push_str(&format!(" (below `{label}`, as another has its name)"));
    }
    said.push_str(if approves { ", and may approve payments." } else { "." });
    said
}

fn named(card: &Card) -> String {
    format!("`{}` of {} with the fingerprint {}", card.party, card.entity, card.identity.fingerprint())
}

fn part(role: Role) -> &'static str {
    match role {
        Role::User => "a user, whose money it is",
        Role::Provider => "a provider",
        Role::Guardian => "a guardian",
    }
}
