//! What the adversary says about rules: to the device, which takes none from anybody, and to the co-signer,
//! which takes looser ones by the user's consent alone. Whatever it says, the rules in force stay.

use cohold_api::{Changes, ConsentCreate};
use cohold_model::change::{Change, Consent, RulesReport};
use cohold_model::{
    AccountId, ChangeId, Digest, Document as _, IdentityKey, IdentitySecret, PartyName, Signed,
};
use cohold_party::wire::{FromParty, ToParty};
use cohold_party::{Rules, rules_change};
use cohold_vault::SoftwareVault;
use serde_json::json;

use super::{Challenge, PATIENCE, now};
use crate::root_relay::Coordinator;

impl Challenge {
    /// Every word about rules to the device, each of them twice: all are refused.
    pub(super) fn words_about_rules(&mut self, coordinator: &mut Coordinator, device: IdentityKey) {
        let account = self.charter.document.terms.account;
        let change = Change::Rules {
            party: party("device"),
            revision: 1,
            before: Digest([1; 32]),
            after: Digest([2; 32]),
        };
        let id = change.id(account, &self.charter.document.digest());
        let other = format!("acc_{:032x}", self.dice.roll(1 << 30)).parse().unwrap();
        let rules = std::fs::read_to_string(self.world.path("cosigner/rules.toml")).unwrap();
        let consent = |account, by: &str, key: &IdentitySecret| {
            let consent = self.consent(account, change.clone(), by);
            ToParty::RulesConsent { consent: Box::new(Signed::by(consent, party(by), key)) }
        };
        let (thief, cosigner) = (thief(), self.key_of_the_cosigner());
        let words = [
            ("word rules", ToParty::Rules { account }),
            ("word rules", ToParty::RulesPropose { account, rules }),
            ("word consent of the thief", consent(account, "device", &thief)),
            ("word consent of the co-signer", consent(account, "cosigner", &cosigner)),
            ("word consent transplanted", consent(other, "cosigner", &cosigner)),
            ("word reject", ToParty::RulesReject { account, change: id }),
        ];
        for (kind, words) in words.iter().flat_map(|said| [said, said]) {
            coordinator.say(device, words);
            loop {
                match coordinator.hear(device, PATIENCE).expect("the device is silent") {
                    FromParty::Rules(answer) if answer.to == words.digest() => {
                        assert!(answer.refusal.is_some(), "{kind}: the device follows");
                        break;
                    }
                    other => assert!(!matches!(other, FromParty::Signature { .. }), "{other:?}"),
                }
            }
            self.tally.note(kind, true);
        }
    }

    /// Looser rules wait at the co-signer, as its operator wrote them. Consents that no device of the user
    /// gave take them into force as little as consents for something else.
    pub(super) fn consents(&mut self) {
        let before = self.report();
        let waiting = before.proposed.clone().expect("the rules that were opened wait");
        let [old, new] = [&before.in_force, &waiting.rules].map(|text| Rules::parse(text).unwrap());
        let charter = &self.charter.document;
        let found = rules_change::assess(charter, &party("cosigner"), before.revision, &old, &new).unwrap();
        assert!(found.needs_consent());
        let (thief, cosigner) = (thief(), self.key_of_the_cosigner());
        let good = found.consent(party("device"), now());
        let changed = |change: &dyn Fn(&mut Consent)| {
            let mut consent = good.clone();
            change(&mut consent);
            consent
        };
        let other_revision = |change: &mut Change| {
            if let Change::Rules { revision, .. } = change {
                *revision += 1;
            }
        };
        let as_cosigner = changed(&|consent| consent.consenter = party("cosigner"));
        let forged = [
            ("consent forged", Signed::by(good.clone(), party("device"), &thief)),
            ("consent forged", Signed::by(good.clone(), party("device"), &cosigner)),
            ("consent of the co-signer itself", Signed::by(as_cosigner, party("cosigner"), &cosigner)),
            (
                "consent of another revision",
                Signed::by(changed(&|consent| other_revision(&mut consent.change)), party("device"), &thief),
            ),
            (
                "consent to milder sentences",
                Signed::by(changed(&|consent| consent.conditions.clear()), party("device"), &cosigner),
            ),
            (
                "consent that lasts",
                Signed::by(changed(&|consent| consent.expires_at = u64::MAX >> 12), party("device"), &thief),
            ),
        ];
        let path = format!("/v1/accounts/{}/consents", self.account.id);
        for (kind, consent) in forged.iter().flat_map(|said| [said, said]) {
            let body = serde_json::to_value(ConsentCreate { consent: consent.clone() }).unwrap();
            let (status, answer) = self.world.api("POST", &path, Some(body)).unwrap();
            assert!(status >= 400 || answer["refusal"].is_object(), "{kind}: {status} {answer}");
            self.tally.note(kind, true);
        }
        // The same words under another account's name do not even come to a party.
        let elsewhere = format!("/v1/accounts/acc_{:032x}/consents", 7);
        let body = json!({"consent": forged[0].1});
        let (status, answer) = self.world.api("POST", &elsewhere, Some(body)).unwrap();
        assert!(status >= 400, "{answer}");
        self.tally.note("consent transplanted", true);
        let after = self.report();
        assert_eq!((after.revision, after.in_force), (before.revision, before.in_force));
        assert_eq!(after.proposed.map(|waiting| waiting.rules), Some(waiting.rules), "it waits on");
        // To forget what waits is anybody's right: it changes nothing.
        let id: ChangeId = found.change.id(charter.terms.account, &found.charter);
        let path = format!("/v1/accounts/{}/changes/cosigner/{id}", self.account.id);
        self.world.api("DELETE", &path, None).unwrap();
        let rejected = self.report();
        assert_eq!((rejected.revision, rejected.proposed), (after.revision, None));
        self.tally.note("change rejected", true);
    }

    /// The co-signer's own word about its rules.
    fn report(&self) -> RulesReport {
        crate::process::until("the co-signer says under which rules it is", || {
            let path = format!("/v1/accounts/{}/changes", self.account.id);
            let (200, value) = self.world.api("GET", &path, None)? else { return None };
            let changes: Changes = serde_json::from_value(value).unwrap();
            let mut reports = changes.reports.into_iter().map(|signed| signed.document);
            reports.find(|report| report.party.as_str() == "cosigner")
        })
    }

    fn consent(&self, account: AccountId, change: Change, consenter: &str) -> Consent {
        Consent {
            account,
            charter: self.charter.document.digest(),
            change,
            conditions: Vec::new(),
            difference: "{}".to_owned(),
            consenter: party(consenter),
            issued_at: now(),
            expires_at: now() + 600,
        }
    }

    /// As root has it: from the node's folder.
    fn key_of_the_cosigner(&self) -> IdentitySecret {
        let folder = self.world.path("cosigner");
        let vault = SoftwareVault::key_file_open(&folder.join("node.key")).unwrap();
        cohold_node::config::open_keys(&folder, &vault, &party("cosigner")).unwrap().identity
    }
}

fn party(name: &str) -> PartyName {
    name.parse().unwrap()
}

fn thief() -> IdentitySecret {
    IdentitySecret::from_seed(&mut [9; 32])
}
