//! A resharing as the coordinator's lie: orders, consents, objections and certificates that the thief made,
//! by which honest parties should give the key to parties of the thief's own.

use std::collections::BTreeSet;

use anyhow::Context as _;
use cohold_model::account::{Card, PartyKind, Template, Terms};
use cohold_model::charter::Charter;
use cohold_model::handover::Dealt;
use cohold_model::reshare::{Abandonment, Resharing, Veto};
use cohold_model::statement::Statement;
use cohold_model::{Digest, Document as _, Epoch, IdentitySecret, PartyName, Signed};
use cohold_mpc::PartyKeys;
use cohold_party::charter_change::assess;
use cohold_party::wire::{FromParty, ReshareOrder, ToParty};

use super::{Liar, new_keys};
use crate::attack::loot::Tried;
use crate::attack::strategy::Strategy;

/// How long an invented consent is good for, in seconds.
const CONSENT_SECONDS: u64 = 600;

/// The thief's own parties, and the resharing that is to bring them in.
struct Usurpation {
    thieves: Vec<(Card, PartyKeys)>,
    resharing: Resharing,
    /// Signs in the name of whoever is not robbed.
    forger: IdentitySecret,
}

impl Liar<'_> {
    /// All that a coordinator may say about a resharing without the user's word for it.
    pub(super) async fn usurp(&mut self, to: &Card, before: &Statement) -> anyhow::Result<Vec<Tried>> {
        let plot = self.plot(to)?;
        let mut tried = Vec::new();
        for (strategy, order) in self.orders_of(&plot)? {
            let told = self.order_resharing(to, strategy, order).await?;
            tried.push(self.unmoved(to, before, told).await?);
        }
        for (strategy, words) in [
            (Strategy::ForgedCertificate, self.certificate(&plot, to)?),
            (Strategy::ForgedAbandonment, self.abandonment(&plot)?),
        ] {
            self.hostile.say(to.identity, &words).await?;
            let told = Tried::stopped(strategy, 1, "it keeps its share and its charter");
            tried.push(self.unmoved(to, before, told).await?);
        }
        let silenced = self.silence_the_user(to, &plot).await?;
        tried.push(self.unmoved(to, before, silenced).await?);
        Ok(tried)
    }

    /// Two parties, both the thief's, that name the user as who they belong to.
    fn plot(&self, to: &Card) -> anyhow::Result<Usurpation> {
        let old = &self.charter.terms;
        let approver = old.approvers.first().context("nobody approves")?;
        let (_, user) = old.party(approver).context("the approver is no party")?;
        let names: [PartyName; 2] = ["thief".parse()?, "thief-2".parse()?];
        let thieves = names.into_iter().map(|party| {
            let keys = new_keys()?;
            let (identity, seal) = (keys.identity(), keys.seal_key());
            Ok((Card { party, entity: user.entity.clone(), kind: PartyKind::Device, identity, seal }, keys))
        });
        let thieves: Vec<(Card, PartyKeys)> = thieves.collect::<anyhow::Result<_>>()?;
        let parties: Vec<Card> = thieves.iter().map(|(card, _)| card.clone()).collect();
        let entities = old.entities.clone().into_iter().filter(|(name, _)| *name == user.entity).collect();
        let terms = Terms {
            guardians: None,
            account: old.account,
            template: Template::Free,
            entities,
            approvers: parties.iter().map(|card| card.party.clone()).collect(),
            parties,
            threshold: 2,
        };
        let robbed = self.stolen.values().map(|party| &party.party);
        let others = old.parties.iter().map(|card| &card.party);
        let mut dealers = BTreeSet::new();
        for party in [&to.party].into_iter().chain(robbed).chain(others) {
            if dealers.len() < usize::from(old.threshold) {
                dealers.insert(party.clone());
            }
        }
        let resharing = Resharing {
            charter: self.charter.digest(),
            terms,
            dealers,
            // Whom the thief robbed of an approver's key, it needs not forge.
            proposer: self.approver().map_or(approver, |robbed| &robbed.party).clone(),
            created_at: cohold_node::now(),
            engine: self.charter.engine,
        };
        Ok(Usurpation { thieves, resharing, forger: IdentitySecret::random(&mut cohold_node::rng()) })
    }

    /// A signature in a party's name: by its own key if the thief has that, or else by the thief's.
    fn key<'a>(&'a self, plot: &'a Usurpation, party: &PartyName) -> &'a IdentitySecret {
        let robbed = self.stolen.values().find(|robbed| robbed.party == *party);
        robbed.map_or(&plot.forger, |robbed| &robbed.keys.identity)
    }

    /// Orders without a consent, and with one that the user never gave.
    fn orders_of(&self, plot: &Usurpation) -> anyhow::Result<Vec<(Strategy, ReshareOrder)>> {
        let Usurpation { resharing, forger, .. } = plot;
        let by = |key: &IdentitySecret| Signed::by(resharing.clone(), resharing.proposer.clone(), key);
        let charter = self.in_force.clone();
        let order = |resharing: Signed<Resharing>, consent| ReshareOrder {
            charter: charter.clone(),
            resharing,
            consent,
            abandoned: Vec::new(),
        };
        let assessment = assess(self.charter, resharing)?;
        let consents = assessment.consenters.iter().map(|card| {
            let mut consent = assessment.consent(card.party.clone(), cohold_node::now());
            consent.expires_at = cohold_node::now() + CONSENT_SECONDS;
            Signed::by(consent, card.party.clone(), forger)
        });
        let consents: Vec<_> = consents.collect();
        let mut orders = vec![(Strategy::OrderedResharing, order(by(forger), None))];
        orders.extend(
            consents
                .iter()
                .map(|consent| (Strategy::InventedConsent, order(by(forger), Some(consent.clone())))),
        );
        if self.approver().is_some() {
            let own = self.key(plot, &resharing.proposer);
            orders.push((Strategy::OrderedResharing, order(by(own), None)));
            let invented =
                consents.into_iter().map(|it| (Strategy::InventedConsent, order(by(own), Some(it))));
            orders.extend(invented);
        }
        Ok(orders)
    }

    async fn order_resharing(
        &mut self,
        to: &Card,
        strategy: Strategy,
        order: ReshareOrder,
    ) -> anyhow::Result<Tried> {
        let digest = order.resharing.document.digest();
        self.hostile.say(to.identity, &ToParty::Reshare(Box::new(order))).await?;
        loop {
            let (from, words) = self.hostile.hear().await?;
            let joined = |what: &str| Tried { stopped: false, ..Tried::stopped(strategy, 1, what) };
            match words {
                _ if from != to.identity => {}
                FromParty::ReshareFailed { resharing, reason, .. } if resharing == digest => {
                    return Ok(Tried::stopped(strategy, 1, reason));
                }
                FromParty::ReshareAbandoned { abandonment, reason }
                    if abandonment.document.resharing == digest =>
                {
                    return Ok(joined(&format!("it took part, and gave up: {reason}")));
                }
                FromParty::ReshareSigned { .. } => return Ok(joined("it signed the thief's charter")),
                FromParty::ReshareDealt(_) => return Ok(joined("it dealt to the thief's parties")),
                _ => {}
            }
        }
    }

    /// A next charter that all its parties signed, which are the thief's, and dealers' words that the thief
    /// wrote.
    fn certificate(&self, plot: &Usurpation, to: &Card) -> anyhow::Result<ToParty> {
        let old = self.charter;
        let Usurpation { thieves, resharing, forger } = plot;
        let mut key = old.key.clone();
        key.public_shares.truncate(thieves.len());
        let charter = Charter {
            terms: resharing.terms.clone(),
            epoch: Epoch(old.epoch.0.saturating_add(1)),
            key,
            created_at: resharing.created_at,
            previous: Some(old.digest()),
            version: old.version.saturating_add(1),
            origin: old.origin,
            engine: old.engine,
        };
        let (first, keys) = thieves.first().context("no thief")?;
        let mut signed = Signed::by(charter.clone(), first.party.clone(), &keys.identity);
        let digest = charter.digest();
        signed
            .signatures
            .extend(thieves.iter().map(|(card, keys)| (card.party.clone(), keys.identity.sign(&digest))));
        let dealt = resharing.dealers.iter().map(|party| {
            let word = Dealt { account: old.terms.account, charter: digest, party: party.clone() };
            let key = if *party == to.party { forger } else { self.key(plot, party) };
            Signed::by(word, party.clone(), key)
        });
        let proposer = resharing.proposer.clone();
        let handover = cohold_model::Handover {
            resharing: Signed::by(resharing.clone(), proposer.clone(), self.key(plot, &proposer)),
            charter: signed,
            dealt: dealt.collect(),
        };
        Ok(ToParty::Reshared(Box::new(handover)))
    }

    /// A word in another party's name that it never signs what may be under way.
    fn abandonment(&self, plot: &Usurpation) -> anyhow::Result<ToParty> {
        let old = self.charter;
        let party = old.terms.approvers.first().context("nobody approves")?.clone();
        let resharing: Digest = plot.resharing.digest();
        let word = Abandonment {
            account: old.terms.account,
            resharing,
            party: party.clone(),
            issued_at: cohold_node::now(),
        };
        let abandonment = Box::new(Signed::by(word, party, &plot.forger));
        Ok(ToParty::ReshareAbandon { abandonment })
    }

    /// An objection in the user's name, so that the user's own resharing would never come.
    async fn silence_the_user(&mut self, to: &Card, plot: &Usurpation) -> anyhow::Result<Tried> {
        let terms = &self.charter.terms;
        let name = terms.approvers.first().context("nobody approves")?;
        let objector = terms.parties.iter().find(|card| terms.is_of_user(card) && card.party != *name);
        let party = objector.map_or(name, |card| &card.party).clone();
        let veto = Veto {
            account: terms.account,
            charter: self.charter.digest(),
            asked_by: name.clone(),
            party: party.clone(),
            issued_at: cohold_node::now(),
        };
        let words = ToParty::Veto { veto: Box::new(Signed::by(veto, party, &plot.forger)) };
        self.refused(to, &words, Strategy::InventedVeto, "it took the objection").await
    }
}
