//! What a reader checks: signatures, times, the chain, and that model and result follow from the facts.

use cohold_model::charter::Charter;
use cohold_model::lineage::Lineage;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Document as _, IdentityKey, PartyName, Signed};
use serde::Serialize;
use serde_json::Value;

use super::fault::{Fault, StatementFault, VerifyError};
use super::strict::Place;
use super::{CLOCK_SECONDS_MAX, Certificate, ISSUER, Link, VALID_SECONDS, VERSION, parse};
use crate::evaluate::evaluate;
use crate::extract::{Dates, Own, extract, unheard};

/// What a reader knows beforehand.
#[derive(Debug, Clone, Default)]
pub struct Expect<'a> {
    /// The moment of reading, in seconds since 1970.
    pub at: u64,
    /// The account that was asked about.
    pub account: Option<AccountId>,
    /// The issuer's key, or its fingerprint, as text.
    pub issuer: Option<&'a str>,
    /// The certificate before this one.
    pub previous: Option<Link>,
    /// The reader's own copy of the charter.
    pub charter: Option<&'a Signed<Charter>>,
    /// The reader's own word, which must be in it.
    pub statement: Option<&'a Signed<Statement>>,
}

/// A certificate that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The certificate.
    pub certificate: Certificate,
    /// Its place in the chain.
    pub link: Link,
    lineage: Lineage,
}

impl Verified {
    /// When what happened, by its charters and statements.
    #[must_use]
    pub fn dates(&self) -> Dates {
        let Certificate { statements, issued_at, .. } = &self.certificate;
        Dates::new(&self.lineage, statements, *issued_at)
    }
}

/// Reads a certificate and checks all that can be checked without anybody's help.
///
/// # Errors
/// What it is that keeps the bytes from being a certificate; or all that is wrong with it.
pub fn verify(bytes: &[u8], expect: &Expect<'_>) -> Result<Verified, VerifyError> {
    let signed = parse(bytes)?;
    let mut faults = Vec::new();
    about_issuer(&signed, expect, &mut faults);
    about_time(&signed.document, expect, &mut faults);
    about_chain(&signed.document, expect, &mut faults);
    about_charters(&signed.document, expect, &mut faults);
    let lineage = match Lineage::new(signed.document.charters.clone()) {
        Err(error) => {
            faults.push(error.into());
            return Err(VerifyError::Faults(faults));
        }
        Ok(lineage) => lineage,
    };
    about_statements(&signed.document, &lineage.current().document, expect, &mut faults);
    // What rests on facts that do not hold is not worth drawing again.
    if faults.is_empty()
        && let Err(fault) = redraw(&signed.document, &lineage)
    {
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(VerifyError::Faults(faults));
    }
    let link = Link::of(&signed.document);
    Ok(Verified { certificate: signed.document, link, lineage })
}

fn about_issuer(signed: &Signed<Certificate>, expect: &Expect<'_>, faults: &mut Vec<Fault>) {
    let Certificate { version, account, issuer, .. } = &signed.document;
    if *version != VERSION {
        faults.push(Fault::Version(*version));
    }
    if let Some(wanted) = expect.account.filter(|wanted| wanted != account) {
        faults.push(Fault::Account { found: *account, wanted });
    }
    if let Some(wanted) = expect.issuer.filter(|wanted| !is_issuer(issuer, wanted)) {
        faults.push(Fault::Issuer { found: issuer.fingerprint(), wanted: wanted.to_owned() });
    }
    let by_issuer = |name: &PartyName| name.as_str() == ISSUER && signed.is_signed_by(name, issuer);
    if signed.signatures.len() != 1 || !signed.signatures.keys().all(by_issuer) {
        faults.push(Fault::IssuerSignature);
    }
}

fn is_issuer(issuer: &IdentityKey, wanted: &str) -> bool {
    issuer.to_string() == wanted || issuer.fingerprint() == wanted
}

fn about_time(certificate: &Certificate, expect: &Expect<'_>, faults: &mut Vec<Fault>) {
    let ahead = certificate.issued_at.saturating_sub(expect.at);
    if ahead > CLOCK_SECONDS_MAX {
        faults.push(Fault::Future(ahead));
    }
    let age = expect.at.saturating_sub(certificate.issued_at);
    if age >= VALID_SECONDS {
        faults.push(Fault::Expired(age.saturating_sub(VALID_SECONDS)));
    }
}

fn about_chain(certificate: &Certificate, expect: &Expect<'_>, faults: &mut Vec<Fault>) {
    let Certificate { number, previous, .. } = *certificate;
    if number == 0 || (number == 1) != previous.is_none() {
        faults.push(Fault::Number { number });
    }
    if let Some(known) = expect.previous.filter(|known| !known.is_before(certificate)) {
        faults.push(Fault::Chain { number, known: known.number });
    }
}

fn about_charters(certificate: &Certificate, expect: &Expect<'_>, faults: &mut Vec<Fault>) {
    let Certificate { account, charters, .. } = certificate;
    let accounts = || charters.iter().map(|signed| signed.document.terms.account);
    if let Some(other) = accounts().find(|other| other != account) {
        faults.push(Fault::CharterAccount(other));
    }
    let stranger = |signed: &Signed<Charter>| {
        signed.signatures.keys().any(|party| signed.document.terms.party(party).is_none())
    };
    if charters.iter().any(stranger) {
        faults.push(Fault::CharterSignatures);
    }
    // Each names the one before it: who knows the last one knows them all.
    let current = charters.last().map(|signed| &signed.document);
    if expect.charter.is_some_and(|own| Some(&own.document) != current) {
        faults.push(Fault::CharterForeign);
    }
}

fn about_statements(
    certificate: &Certificate,
    charter: &Charter,
    expect: &Expect<'_>,
    faults: &mut Vec<Fault>,
) {
    let Certificate { statements, missing, issued_at, .. } = certificate;
    for signed in statements {
        if let Err(fault) = about_statement(certificate, charter, signed) {
            faults.push(Fault::Statement { party: signed.document.party.clone(), fault });
        }
    }
    let parties = || statements.iter().map(|signed| &signed.document.party);
    if let Some((_, party)) = parties().zip(parties().skip(1)).find(|(one, next)| one >= next) {
        faults.push(Fault::StatementOrder(party.clone()));
    }
    if let Some(own) = expect.statement.filter(|own| !statements.contains(own)) {
        faults.push(Fault::OwnWord(own.document.party.clone()));
    }
    if *missing != unheard(charter, statements, *issued_at) {
        faults.push(Fault::Missing);
    }
}

fn about_statement(
    certificate: &Certificate,
    charter: &Charter,
    signed: &Signed<Statement>,
) -> Result<(), StatementFault> {
    let Statement { account, party, charter: under, epoch, issued_at, .. } = &signed.document;
    let (_, card) = charter.terms.party(party).ok_or(StatementFault::Party)?;
    if *account != certificate.account || *under != charter.digest() || *epoch != charter.epoch {
        return Err(StatementFault::Subject);
    }
    if signed.signatures.len() != 1 || !signed.is_signed_by(party, &card.identity) {
        return Err(StatementFault::Signature);
    }
    if *issued_at > certificate.issued_at.saturating_add(CLOCK_SECONDS_MAX) {
        return Err(StatementFault::Future);
    }
    Ok(())
}

/// Model and result, once more from the facts.
fn redraw(certificate: &Certificate, lineage: &Lineage) -> Result<(), Fault> {
    let Certificate { statements, declared, issued_at, model, evaluation, .. } = certificate;
    let own = Own { declared: declared.clone(), ..Own::default() };
    let drawn = extract(lineage, statements, &own, *issued_at)?;
    if drawn != *model {
        return Err(Fault::Model(difference("/document/model", &drawn, model)));
    }
    let found = evaluate(&drawn)?;
    if found != *evaluation {
        return Err(Fault::Evaluation(difference("/document/evaluation", &found, evaluation)));
    }
    Ok(())
}

/// Where two things differ first.
fn difference<T: Serialize>(within: &str, one: &T, other: &T) -> Place {
    let place = within.split('/').skip(1).fold(Place::default(), |place, segment| place.below(segment));
    let value = |thing: &T| serde_json::to_value(thing).unwrap_or(Value::Null);
    first(place, &value(one), &value(other))
}

fn first(place: Place, one: &Value, other: &Value) -> Place {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let differs = one.keys().chain(other.keys()).find(|key| one.get(*key) != other.get(*key));
            match differs {
                Some(key) => descend(place.below(key), one.get(key), other.get(key)),
                None => place,
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            let most = one.len().max(other.len());
            match (0..most).find(|index| one.get(*index) != other.get(*index)) {
                Some(index) => descend(place.below(&index.to_string()), one.get(index), other.get(index)),
                None => place,
            }
        }
        _ => place,
    }
}

fn descend(place: Place, one: Option<&Value>, other: Option<&Value>) -> Place {
    match (one, other) {
        (Some(one), Some(other)) => first(place, one, other),
        _ => place,
    }
}
