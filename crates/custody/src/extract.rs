//! From an account's charter and its parties' signed statements to its custody model.
//!
//! What is not known is assumed against the account: a gap never makes the verdict better.
//!
//! | known | becomes |
//! |---|---|
//! | a party of the charter | its atoms, and `use:<party>`: who opens its share ([table](#seals)) |
//! | the threshold `k` | `move` ⇐ `k` of the `use:…` |
//! | the approvers | `approve` ⇐ any of their `use:…`; the identity key lies sealed beside the share |
//! | a node's rules | `lend:<node>` and a `move[limit]` for each allowance, and for the fees on each chain |
//! | the coordinator | the atom `server`: no share, so it reaches nothing |
//! | what cannot be proved | doubts, below |
//!
//! No path changes control short of moving the funds: no rule for `rule` and `recover`.
//!
//! # Seals
//! | stated | whoever has … has the share |
//! |---|---|
//! | device secret and PIN | the device and its `pin` (`<party>-pin` where there are several) |
//! | sealed file | `<party>-file` and `<party>-passphrase` |
//! | key file | the node, or `<party>-disk`: a stolen disk or a backup |
//! | passphrase, or anything else on a machine that runs | the node while it runs, or `<party>-disk` and `<party>-passphrase` |
//! | hardware token, its key never outside of it | the node while it runs, or `<party>-disk` and `<party>-token`, and `<party>-pin` where that does not lie on the disk |
//! | nothing | the party's atom, or `<party>-file` of a recovery share, alone |
//!
//! Beyond [`ATOMS_MAX`] atoms, first old shares are told apart by their holders' entities only ([past](#past)),
//! then what one outsider holds is taken together, then the disks and passphrases of nodes are left out, then PINs, then
//! passphrases of recovery files. What is left stands for what is left out, so that coalitions only
//! become smaller: a device then opens without its PIN.
//!
//! # Guardians
//! Each guardian of the charter is an atom, and has `piece:<guardian>`: `signed` where a device's statement
//! has its receipt, else `unknown`, as what is not known is assumed against the account. So many pieces are
//! `use:<party>` of the recovery share that they were made of, beside its file; its party is no approver, so
//! nothing is lent for it. That needs nobody's wait;
//! what the nodes then join in does, no less than the charter says. Pieces of earlier epochs are one doubt,
//! `kept-pieces`, that gives the old share to anybody.
//!
//! # Declarations
//! What code cannot see a deployment declares ([`crate::declared`]), `asserted` at best. Silence is never
//! better than any declaration about nodes, and no declaration is better than the parties' own words and
//! entities: it adds outsiders, or says that there are none.
//!
//! | declared | not declared |
//! |---|---|
//! | who administers a machine has what runs on it: a node's share, a device's as well | of a node: any outsider other than its own entity (`other:<entity>`) |
//! | who holds copies of a disk or file has it as a thief of the disk would | of a node: any outsider other than its own entity |
//! | who administers a node's hardware token uses it, and needs no PIN | of a node: any outsider other than its own entity |
//! | who can come to a PIN or passphrase has that | nobody: of what is the user's own, the device has spoken |
//! | who makes the devices' program profits from its hostility | who runs the coordinator |
//! | who issues or resets API tokens may come to ask | who runs the coordinator |
//! | who runs the coordinator has the atom `server` | the provider |
//!
//! What is known of a node becomes `asserted` where silence about it would have counted. A declaration
//! gives nothing to users. Where nobody but users is known, the unknown holder is a provider that nobody
//! named. All that one outsider holds becomes one atom where the table would be too large.
//!
//! # Statements
//! A statement counts if its party signed it with the identity key of the charter, for this account,
//! charter and epoch. The last one of a party is taken. If it is current, it is `signed`; if it has
//! expired or its times cannot be, it is only `asserted`. One that contradicts itself, or another of
//! the same second, counts as none.
//!
//! A recovery share cannot speak; a device of the same entity, on which it was made, speaks for it in its
//! own statement. How its own shares are sealed, the evaluating device may vouch for itself ([`Own`]).
//!
//! # Lending
//! A node that the coalition does not have still signs along what its rules let through. That is never
//! a plain `move`, always a `move[limit]`: a node that is switched off lends nothing, so lending is no
//! exit, and hinders nobody from freezing. The class counts a limit without receivers as a move.
//!
//! - Devices and recovery shares lend nothing: they sign what their user approves there.
//! - An allowance is a limit of its amount per day. One without it bounds nothing: any amount.
//! - It is lent for an approval (`approve`), or to whoever has anything of the account (`ask`), if the
//!   node says that it needs none.
//! - A node that has stated nothing may sign whatever it is asked: `<node>-anything`, lent to `ask`.
//! - Where several nodes must lend, all of their bounds hold at once. The coalition then stands under a
//!   limit of one of them that none of the others undercuts: exact where one is tighter than all
//!   others, too much where none is, never too little.
//! - Each node counts for itself: where one of several suffices, what they let through adds up.
//! - A node that joins in resharings lends that too, as a limit with nothing in it,
//!   `<node>:resharing`, to whoever speaks for the user (`consent`), after its wait, unless a party of the
//!   user's objects (`veto`).
//! - Every payment carries a fee, however little it moves, and whoever makes the block keeps it. So
//!   what a node lets go in fees on a chain is a limit of its own, beside those of its allowances there,
//!   and to anybody; without `per_day`, or where nothing is stated, it bounds nothing.
//!
//! # Doubts
//! - `hostile-program`: what runs on the devices is hostile; gives their shares, PINs and approvals.
//! - `recovery-copy`: the device made the recovery share, and may have kept it.
//! - `engine-leak`: the threshold engine gives the other shares to a party that takes part.
//! - `weak-secret`: a PIN or passphrase is guessed by whoever holds what it seals.
//! - `broken-token`: a hardware token gives its key away: the disk then opens without it.
//!
//! - `exported-key`: a device says that it exported the whole key, and somebody has it.
//! - `imported-key`: the key was made elsewhere, as the charter says, and is somebody's from then.
//! - `kept-<party>`: an old share of a party was kept.
//!
//! # Past
//! Resharing leaves the public key, so a quorum of any earlier epoch still signs: for each charter before
//! the one in force `move` ⇐ `k` of `old:<party>`. Shares of different epochs never mix.
//!
//! | the holder of an old share | has it who |
//! |---|---|
//! | is a party still | has its present share, if `kept-<party>` |
//! | is a party no longer | has its place, or its file, alone, if `kept-<party>`; whoever was the user is an outsider then |
//!
//! A party is its identity key. Who comes under a name that another had gets a number, `device-2`, and the
//! atoms of the one before keep theirs. One doubt stands for all epochs of its holder. That a holder says
//! that it deleted its old shares makes this rule `signed`, not the doubt smaller; silence is `unknown`.
//! Beyond [`ATOMS_MAX`] atoms one doubt and one place stand for all of an entity (`kept-by-<entity>`,
//! `<entity>-left`), then one doubt for everybody, with which the old shares of former parties are anybody's.
//!
//! Only moving the funds to a new account clears the past: the chain then no longer accepts this key.
//!
//! Not among the doubts: that the provider shows a wrong chain state or a wrong payment. Each device decodes
//! the very bytes that it signs; a lie about the chain can make a payment fail or wait, not go elsewhere.

mod dates;
mod holders;
mod joining;
mod labels;
mod lending;
mod names;
mod past;
mod places;
mod said;
mod structure;
mod suppose;
mod view;
mod whole;

use std::collections::BTreeMap;

use cohold_model::account::{Card, Role, Terms};
use cohold_model::charter::Charter;
use cohold_model::ids::EntityName;
use cohold_model::lineage::Lineage;
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{PartyName, Signed};

use crate::check::{MOVE, ModelError};
use crate::declared::{Declared, DeclaredError};
use crate::model::{Atom, Evidence, Kind, Model, ModelBuilder, Rule};
use crate::needs::Needs;
use labels::Labels;
use lending::Lending;
use names::Names;
use past::Past;
use places::{Places, Sealed};
use said::Said;
use view::View;
use whole::Whole;

pub use dates::{Began, Dates, Seen, Told};
pub use labels::Called;
pub use structure::{Structures, structures};
pub use suppose::suppose;

/// As many atoms are told apart as long as they are no more than this.
pub const ATOMS_MAX: usize = 18;
/// The most statements that are looked at.
pub const STATEMENTS_MAX: usize = 256;

/// The role of who offers the service.
const PROVIDER: &str = "provider";
/// Coming to somebody's approval.
const APPROVE: &str = "approve";
/// Asking a node that wants no approval.
const ASK: &str = "ask";

/// What is known beside the parties' signed words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// What the deployment declared.
    pub declared: Declared,
    /// How shares are sealed that this device sealed itself: its own, and a recovery share that it
    /// made. Taken where their party has stated nothing that counts, as `asserted`; a device cannot
    /// vouch for a node, so nodes are left aside.
    pub seals: BTreeMap<PartyName, Sealing>,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Too many statements.
    #[error(
        "{count} statements are more than the {STATEMENTS_MAX} that are looked at: give the last one of each party"
    )]
    Statements {
        /// How many there are.
        count: usize,
    },
    /// The declaration contradicts itself.
    #[error("the declaration is refused: {0}")]
    Declared(#[from] DeclaredError),
    /// The model does not hold together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Builds the custody model of an account. `now` is in seconds since 1970, by the evaluating device.
///
/// # Errors
/// If there are more than [`STATEMENTS_MAX`] statements, or the declaration contradicts itself.
/// Statements that do not count are left aside.
pub fn extract(
    lineage: &Lineage,
    statements: &[Signed<Statement>],
    own: &Own,
    now: u64,
) -> Result<Model, ExtractError> {
    own.declared.check()?;
    let charter = &lineage.current().document;
    if statements.len() > STATEMENTS_MAX {
        return Err(ExtractError::Statements { count: statements.len() });
    }
    let said = said::by_party(charter, statements, now);
    let labels = Labels::new(&[], lineage.charters().map(|signed| &signed.document.terms));
    let past = Past::new(lineage, &labels, &said);
    let view = View::new(charter, &labels, &said, own);
    let coordinator = coordinator(&view.terms, own);
    let seals = view.seals.iter().map(|(label, sealed)| (label, *sealed)).collect();
    let places = Places::fitting(&view.terms, &seals, &view.pieces, &view.declared, &coordinator, &past);
    let lending = Lending::new(&view.terms, &view.said(&said));
    let whole = whole::keys(charter.origin, said.values().map(|said| said.statement));
    Ok(assemble(&view.terms, &coordinator, places, &lending, &past, whole)?)
}

fn assemble(
    terms: &Terms,
    coordinator: &str,
    places: Places,
    lending: &Lending<'_>,
    past: &Past<'_>,
    whole: Vec<Whole>,
) -> Result<Model, ModelError> {
    let mut model = ModelBuilder::new(terms.account.to_string());
    for (entity, role) in &terms.entities {
        model = model.entity(entity.as_str(), word(*role));
    }
    let mut strangers = places.strangers.clone();
    strangers.insert(coordinator.to_owned(), PROVIDER);
    strangers.retain(|entity, _| !terms.entities.keys().any(|known| known.as_str() == entity));
    model = strangers.into_iter().fold(model, |model, (entity, role)| model.entity(entity, role));
    let own = places.rules.iter().cloned().chain(powers(terms, &places, lending));
    let rules = own.chain(past.rules(&places.engine_leak)).chain(lending.rules(terms));
    model = rules.fold(model, ModelBuilder::rule);
    model = lending.limits().fold(model, |model, (name, limit)| model.limit(name, limit));
    let mut names = Names::taken(places.atoms.keys().cloned());
    for Whole { name, says, because } in whole {
        let name = names.next(name);
        let rule = Rule::new(MOVE, name.as_str()).because(because).evidence(Evidence::Signed);
        model = model.atom(name, Atom::doubt(says)).rule(rule);
    }
    places.atoms.into_iter().fold(model, |model, (name, atom)| model.atom(name, atom)).build()
}

/// Parties of the charter that have no current statement of their own, in the order of their names.
/// Recovery shares never have one.
#[must_use]
pub fn unheard(charter: &Charter, statements: &[Signed<Statement>], now: u64) -> Vec<PartyName> {
    let said = said::by_party(charter, statements, now);
    let heard = |party: &PartyName| said.get(party).is_some_and(|said| said.evidence == Evidence::Signed);
    let mut silent: Vec<_> = charter.terms.parties.iter().map(|card| card.party.clone()).collect();
    silent.retain(|party| !heard(party));
    silent.sort();
    silent
}

/// How each share is sealed, as far as is known.
fn seals<'a>(
    terms: &'a Terms,
    said: &BTreeMap<&PartyName, Said<'_>>,
    own: &Own,
) -> BTreeMap<&'a PartyName, Sealed> {
    let sealed = |card: &'a Card| {
        let stated = said.get(&card.party).map(|said| Sealed::stated(said.statement, said.evidence));
        let maker = || {
            let words = said.values().find_map(|said| said.vouch_for(card, terms))?;
            Some(Sealed::vouched(words.0.sealing, words.1))
        };
        let vouched = || {
            let sealing = *own.seals.get(&card.party).filter(|_| !card.kind.is_node())?;
            Some(Sealed::vouched(sealing, Evidence::Asserted))
        };
        Some((&card.party, stated.or_else(maker).or_else(vouched)?))
    };
    terms.parties.iter().filter_map(sealed).collect()
}

/// `move`, and `approve` and `ask` where a node asks for them.
fn powers(terms: &Terms, places: &Places, lending: &Lending<'_>) -> Vec<Rule> {
    let uses = || terms.parties.iter().map(|card| use_of(card.party.as_str()));
    let (k, n) = (terms.threshold, terms.parties.len());
    let mut rules = vec![
        Rule::new("move", Needs::k(k.into(), uses()))
            .because(format!("{k} of the {n} shares sign"))
            .evidence(Evidence::Signed),
        Rule::new("move", Needs::all([Needs::from(places.engine_leak.as_str()), Needs::any(uses())]))
            .because("with the shares of the others learnt, one share is as good as all")
            .evidence(Evidence::Asserted),
    ];
    if lending.needs(APPROVE) {
        rules.push(
            Rule::new(APPROVE, Needs::any(terms.approvers.iter().map(|party| use_of(party.as_str()))))
                .because("the key that approves lies sealed beside the share of its party")
                .evidence(Evidence::Signed),
        );
    }
    if lending.needs(ASK) {
        let solid = places.atoms.iter().filter(|(_, atom)| atom.kind != Kind::Doubt);
        rules.push(
            Rule::new(ASK, Needs::any(solid.map(|(name, _)| name.clone()).chain(uses())))
                .because("whoever has anything of the account may come to ask a node")
                .evidence(Evidence::Unknown),
        );
    }
    rules
}

/// Who runs the coordinator.
fn coordinator(terms: &Terms, own: &Own) -> String {
    if let Some(declared) = &own.declared.coordinator {
        return declared.entity.to_string();
    }
    let provider = terms.entities.iter().find(|(_, role)| **role == Role::Provider);
    let other = || Names::taken(terms.entities.keys().map(EntityName::as_str)).next("provider");
    provider.map_or_else(other, |(name, _)| name.to_string())
}

fn word(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Provider => PROVIDER,
        Role::Guardian => "guardian",
    }
}

/// The power to sign with a party's share.
fn use_of(party: &str) -> String {
    format!("use:{party}")
}
