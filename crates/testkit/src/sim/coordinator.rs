//! The coordinator of the simulation: it remembers whatever it was told, and says it to whom it likes.

use std::collections::BTreeMap;

use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_model::handover::{Dealt, Handover};
use cohold_model::reshare::Abandonment;
use cohold_model::{Document as _, HexBytes, PartyName, SessionId, Signature, Signed};
use cohold_party::wire::{FromParty, ReshareOrder, SignOrder};

/// What the coordinator knows.
#[derive(Debug, Clone, Default)]
pub struct Coordinator {
    /// The newest charter that all its parties signed.
    pub charter: Option<Signed<Charter>>,
    /// The account in the making, and who signed which charter.
    pub(super) making: Option<Making>,
    /// All resharings, oldest first.
    pub(super) reshares: Vec<Reshare>,
    /// All orders, oldest first.
    pub(super) asked: Vec<Asked>,
    dealt: Vec<Signed<Dealt>>,
}

#[derive(Debug, Clone)]
pub(super) struct Making {
    pub(super) proposal: Signed<Proposal>,
    pub(super) signed: Vec<Signed<Charter>>,
}

#[derive(Debug, Clone)]
pub(super) struct Reshare {
    pub(super) order: ReshareOrder,
    /// Differing charters are different entries.
    pub(super) signed: Vec<Signed<Charter>>,
    pub(super) abandoned: Vec<Signed<Abandonment>>,
    pub(super) complete: Option<Signed<Charter>>,
}

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) order: SignOrder,
    pub(super) session: SessionId,
    pub(super) charter: Signed<Charter>,
    pub(super) signature: Option<HexBytes>,
}

impl Coordinator {
    /// One that knows an account in force.
    #[must_use]
    pub fn of(charter: Signed<Charter>) -> Self {
        Self { charter: Some(charter), ..Self::default() }
    }

    /// Takes in what a party said; whether a charter is complete by it.
    pub fn hear(&mut self, words: &FromParty, from: &PartyName) -> bool {
        match words {
            FromParty::CharterSigned { charter, signature } => self.made(charter, from, *signature),
            FromParty::ReshareSigned { charter, signatures } => self.reshared(charter, signatures),
            FromParty::ReshareDealt(word) => {
                if !self.dealt.contains(word) {
                    self.dealt.push(word.clone());
                }
                false
            }
            FromParty::ReshareAbandoned { abandonment, .. } => {
                let digest = abandonment.document.resharing;
                let mut open = self.reshares.iter_mut();
                let found = open.find(|it| it.order.resharing.document.digest() == digest);
                if let Some(reshare) = found.filter(|it| !it.abandoned.contains(abandonment)) {
                    reshare.abandoned.push((**abandonment).clone());
                }
                false
            }
            FromParty::Signature { session, signature, .. } => {
                if let Some(asked) = self.asked.iter_mut().find(|asked| asked.session == *session) {
                    asked.signature = Some(signature.clone());
                }
                false
            }
            _ => false,
        }
    }

    fn made(&mut self, charter: &Charter, from: &PartyName, signature: Signature) -> bool {
        let Some(making) = &mut self.making else { return false };
        let signed = entry(&mut making.signed, charter);
        signed.signatures.insert(from.clone(), signature);
        if self.charter.is_some() || signed.check().is_err() {
            return false;
        }
        self.charter = Some(signed.clone());
        true
    }

    fn reshared(&mut self, charter: &Charter, signatures: &BTreeMap<PartyName, Signature>) -> bool {
        let fits = |reshare: &&mut Reshare| {
            let resharing = &reshare.order.resharing.document;
            resharing.terms == charter.terms && resharing.created_at == charter.created_at
        };
        let Some(reshare) = self.reshares.iter_mut().find(fits) else { return false };
        let signed = entry(&mut reshare.signed, charter);
        signed.signatures.extend(signatures.iter().map(|(name, signature)| (name.clone(), *signature)));
        if reshare.complete.is_some() || signed.check().is_err() {
            return false;
        }
        reshare.complete = Some(signed.clone());
        let newest = self.charter.as_ref().map_or(0, |charter| charter.document.version);
        if charter.version > newest {
            self.charter = reshare.complete.clone();
        }
        true
    }

    /// What proves to parties that the charter of a resharing is in force, as far as it is known.
    pub(super) fn handover(&self, reshare: &Reshare) -> Option<Handover> {
        let charter = reshare.complete.clone()?;
        let digest = charter.document.digest();
        let dealt = self.dealt.iter().filter(|word| word.document.charter == digest).cloned().collect();
        Some(Handover { resharing: reshare.order.resharing.clone(), charter, dealt })
    }
}

impl Reshare {
    pub(super) fn new(order: ReshareOrder) -> Self {
        Self { order, signed: Vec::new(), abandoned: Vec::new(), complete: None }
    }

    /// Whether it may still come into force, as far as the coordinator knows.
    pub(super) fn is_open(&self) -> bool {
        self.complete.is_none() && self.abandoned.is_empty()
    }
}

fn entry<'a>(signed: &'a mut Vec<Signed<Charter>>, charter: &Charter) -> &'a mut Signed<Charter> {
    let known = signed.iter().position(|signed| signed.document == *charter);
    let place = known.unwrap_or_else(|| {
        signed.push(Signed { document: charter.clone(), signatures: BTreeMap::new() });
        signed.len() - 1
    });
    signed.get_mut(place).expect("it is there")
}
