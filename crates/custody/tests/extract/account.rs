//! Accounts in the making, what their parties state, and what an evaluation says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cohold_custody::declared::Declared;
use cohold_custody::extract::{Own, extract};
use cohold_custody::{Evaluation, Model, evaluate};
use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::charter::{Charter, KeyBinding};
use cohold_model::guardians::{GuardianCard, Guardians};
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, FeeBound, Receivers, Sealing, Statement, Vouch};
use cohold_model::{
    Amount, Digest, Document as _, Engine, Epoch, HexBytes, IdentitySecret, Lineage, Signed, Token,
};

pub(crate) const CREATED_AT: u64 = 1_800_000_000;
/// How long the charter's guardians wait.
pub(crate) const GUARDED: u64 = 2 * 24 * 3600;
pub(crate) const NOW: u64 = CREATED_AT + 3600;
pub(crate) const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
pub(crate) const RECEIVER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// An account in the making: entities, parties with what they state, threshold.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) threshold: u8,
    pub(crate) entities: Vec<(&'static str, Role)>,
    pub(crate) parties: Vec<Party>,
    pub(crate) approvers: Vec<&'static str>,
    pub(crate) own: Own,
    /// People with pieces of the recovery share, of whom two are needed, by name and entity.
    pub(crate) guardians: Vec<(&'static str, &'static str)>,
    /// The charters before this one.
    pub(crate) before: Vec<Signed<Charter>>,
    /// How its key existed before it did.
    pub(crate) origin: Option<cohold_model::Origin>,
    /// By which protocol its parties sign.
    pub(crate) engine: Engine,
}

#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// Of its identity; by its position where there is none.
    pub(crate) seed: Option<u8>,
    /// Epochs of which it says that it deleted its share.
    pub(crate) deleted: Vec<u32>,
    pub(crate) name: &'static str,
    pub(crate) entity: &'static str,
    pub(crate) kind: PartyKind,
    pub(crate) sealing: Option<Sealing>,
    pub(crate) token: Option<Token>,
    pub(crate) allowances: Vec<Allowance>,
    pub(crate) fees: Vec<FeeBound>,
    pub(crate) vouches: Vec<Vouch>,
    pub(crate) requires_approval: bool,
}

pub(crate) fn party(name: &'static str, entity: &'static str, kind: PartyKind, sealing: Sealing) -> Party {
    Party {
        seed: None,
        deleted: Vec::new(),
        name,
        entity,
        kind,
        sealing: Some(sealing),
        token: None,
        allowances: Vec::new(),
        fees: vec![fees(Some(100))],
        vouches: Vec::new(),
        requires_approval: true,
    }
}

pub(crate) fn device(entity: &'static str) -> Party {
    party("device", entity, PartyKind::Device, Sealing::DeviceAndPin)
}

pub(crate) fn recovery(entity: &'static str) -> Party {
    party("recovery", entity, PartyKind::Recovery, Sealing::SealedFile)
}

pub(crate) fn node(name: &'static str, entity: &'static str, allowances: Vec<Allowance>) -> Party {
    let kind = if name == "guardian" { PartyKind::Guardian } else { PartyKind::Cosigner };
    Party { allowances, ..party(name, entity, kind, Sealing::KeyFile) }
}

pub(crate) fn ether(per_day: Option<u128>) -> Allowance {
    Allowance {
        chain_id: 31_337,
        asset: Asset::Native,
        symbol: "ETH".into(),
        decimals: 18,
        per_transaction: Some(Amount::from(10_u128.pow(18))),
        per_day: per_day.map(|ether| Amount::from(ether * 10_u128.pow(18))),
        receivers: Receivers::Any,
    }
}

/// Fees of at most 0.01 in a payment, and of so many thousandths in a day.
pub(crate) fn fees(thousandths_per_day: Option<u128>) -> FeeBound {
    FeeBound {
        chain_id: 31_337,
        coin: "ETH".into(),
        decimals: 18,
        per_transaction: Amount::from(10_u128.pow(16)),
        per_day: thousandths_per_day.map(|most| Amount::from(most * 10_u128.pow(15))),
    }
}

pub(crate) fn tokens_to_one() -> Allowance {
    Allowance {
        asset: Asset::Token(TOKEN.into()),
        symbol: "TST".into(),
        decimals: 6,
        per_transaction: None,
        per_day: Some(Amount::from(1_500_000)),
        receivers: Receivers::Only(vec![RECEIVER.into()]),
        ..ether(None)
    }
}

pub(crate) fn personal() -> Account {
    Account {
        threshold: 2,
        entities: vec![("ana", Role::User), ("acme", Role::Provider)],
        parties: vec![
            device("ana"),
            recovery("ana"),
            node("cosigner", "acme", vec![ether(Some(5)), tokens_to_one()]),
        ],
        approvers: vec!["device", "recovery"],
        own: Own::default(),
        guardians: Vec::new(),
        before: Vec::new(),
        origin: None,
        engine: Engine::Dkls23,
    }
}

/// The same with bo, cy and di, each for themselves, as guardians of the recovery share.
pub(crate) fn guarded() -> Account {
    let mut account = personal().declared_own();
    account.approvers = vec!["device"];
    account.guardians = vec![("bo", "bo"), ("cy", "cy"), ("di", "di")];
    account.entities.extend(["bo", "cy", "di"].map(|name| (name, Role::Guardian)));
    account
}

pub(crate) fn shared() -> Account {
    Account {
        parties: vec![device("ana"), node("cosigner", "acme", vec![ether(Some(5))])],
        approvers: vec!["device"],
        ..personal()
    }
}

pub(crate) fn enterprise() -> Account {
    Account {
        threshold: 2,
        entities: vec![("corp", Role::User)],
        parties: vec![
            device("corp"),
            node("cosigner", "corp", vec![ether(Some(5))]),
            node("guardian", "corp", vec![ether(Some(20))]),
        ],
        approvers: vec!["device"],
        own: Own::default(),
        guardians: Vec::new(),
        before: Vec::new(),
        origin: None,
        engine: Engine::Dkls23,
    }
    .declared_own()
}

/// Ana's device and recovery share are lost and replaced under the same names.
pub(crate) fn recovered(old: &Account) -> Account {
    let mut account = old.clone().after(old);
    account.parties[0] = device("ana").seed(11);
    account.parties[1] = recovery("ana").seed(12);
    account
}

/// The co-signer of acme makes place for one of beta, under the same name.
pub(crate) fn moved(old: &Account) -> Account {
    let mut account = old.clone().after(old);
    account.entities[1] = ("beta", Role::Provider);
    account.parties[2] = node("cosigner", "beta", vec![ether(Some(5))]).seed(13);
    account
}

impl Account {
    /// The same, with every node declared to be administered and backed up by its own entity alone.
    pub(crate) fn declared_own(mut self) -> Self {
        let Declared { machine, backup, hsm, .. } = Declared::own_alone(&self.charter().terms);
        let declared = &mut self.own.declared;
        (declared.machine, declared.backup, declared.hsm) = (machine, backup, hsm);
        self
    }

    fn seed(&self, position: usize) -> u8 {
        self.parties[position].seed.unwrap_or(u8::try_from(position).expect("few") + 1)
    }

    pub(crate) fn secret(&self, position: usize) -> IdentitySecret {
        IdentitySecret::from_seed(&mut [self.seed(position); 32])
    }

    /// The same account, under the charter that follows that of `old`.
    pub(crate) fn after(mut self, old: &Self) -> Self {
        self.before = old.lineage().charters().cloned().collect();
        self
    }

    /// A charter that a hostile server made with keys of its own, in the place of this account's.
    pub(crate) fn forged(&self) -> Signed<Charter> {
        let mut forged = self.clone();
        for (position, party) in (200_u8..).zip(&mut forged.parties) {
            party.seed = Some(position);
        }
        forged.sign(forged.charter())
    }

    pub(crate) fn charter(&self) -> Charter {
        let cards = self.parties.iter().enumerate().map(|(position, party)| Card {
            party: party.name.parse().expect("a name"),
            entity: party.entity.parse().expect("a name"),
            kind: party.kind,
            identity: self.secret(position).public(),
            seal: Digest([self.seed(position); 32]),
        });
        let terms = Terms {
            guardians: self.guardians(),
            account: "acc_000102030405060708090a0b0c0d0e0f".parse().expect("an id"),
            template: Template::Free,
            entities: self
                .entities
                .iter()
                .map(|(name, role)| (name.parse().expect("a name"), *role))
                .collect(),
            parties: cards.collect(),
            threshold: self.threshold,
            approvers: self
                .approvers
                .iter()
                .map(|name| name.parse().expect("a name"))
                .collect::<BTreeSet<_>>(),
        };
        let key = KeyBinding {
            public_key: HexBytes(vec![2; 33]),
            public_shares: vec![HexBytes(vec![2; 33]); self.parties.len()],
            chain_code: Digest([7; 32]),
            transcript: Digest([8; 32]),
        };
        let version = u32::try_from(self.before.len()).expect("few") + 1;
        let previous = self.before.last().map(|before| before.document.digest());
        let engines = self.before.iter().map(|before| before.document.engine).chain([self.engine]);
        let engines: Vec<_> = engines.collect();
        let kept = engines.windows(2).filter(|engines| engines[0] != engines[1]).count();
        Charter {
            version,
            terms,
            epoch: Epoch(version - u32::try_from(kept).expect("few")),
            key,
            created_at: CREATED_AT,
            previous,
            origin: self.origin,
            engine: self.engine,
        }
    }

    fn guardians(&self) -> Option<Guardians> {
        let person = |(position, (name, entity)): (u8, &(&str, &str))| GuardianCard {
            name: name.parse().expect("a name"),
            entity: entity.parse().expect("a name"),
            identity: Self::guardian(position).public(),
            seal: Digest([100 + position; 32]),
        };
        let people: Vec<_> = (0..).zip(&self.guardians).map(person).collect();
        let party = "recovery".parse().expect("a name");
        (!people.is_empty()).then_some(Guardians { party, needed: 2, delay_seconds: GUARDED, people })
    }

    /// What the guardian at this position signs with.
    pub(crate) fn guardian(position: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&mut [100 + position; 32])
    }

    pub(crate) fn sign(&self, charter: Charter) -> Signed<Charter> {
        let digest = charter.digest();
        let sign = |(position, party): (usize, &Party)| {
            (party.name.parse().expect("a name"), self.secret(position).sign(&digest))
        };
        let signatures: BTreeMap<_, _> = self.parties.iter().enumerate().map(sign).collect();
        Signed { document: charter, signatures }
    }

    /// All charters.
    pub(crate) fn lineage(&self) -> Lineage {
        let own = self.sign(self.charter());
        Lineage::new(self.before.iter().cloned().chain([own]).collect()).expect("a line")
    }

    /// What a party states, before it is signed.
    pub(crate) fn statement(&self, position: usize) -> Option<Statement> {
        let party = &self.parties[position];
        let charter = self.charter();
        Some(Statement {
            account: charter.terms.account,
            party: party.name.parse().expect("a name"),
            charter: charter.digest(),
            epoch: charter.epoch,
            sealing: party.sealing?,
            token: party.token.clone(),
            held_since: CREATED_AT + 10,
            requires_approval: party.requires_approval,
            allowances: party.allowances.clone(),
            fees: party.fees.clone(),
            vouches: party.vouches.clone(),
            receipts: Vec::new(),
            deleted: party.deleted.iter().copied().map(Epoch).collect(),
            exported_at: None,
            imported: false,
            drilled_at: None,
            resharing_delay: None,
            rules: Digest([9; 32]),
            issued_at: NOW - 60,
            expires_at: NOW - 60 + 24 * 3600,
        })
    }

    pub(crate) fn statements(&self) -> Vec<Signed<Statement>> {
        let statements = (0..self.parties.len()).filter_map(|position| {
            let statement = self.statement(position)?;
            Some(Signed::by(statement.clone(), statement.party, &self.secret(position)))
        });
        statements.collect()
    }

    pub(crate) fn model(&self) -> Model {
        self.model_of(&self.statements())
    }

    pub(crate) fn model_of(&self, statements: &[Signed<Statement>]) -> Model {
        extract(&self.lineage(), statements, &self.own, NOW).expect("a model")
    }

    /// The model after one party's statement was changed and signed again.
    pub(crate) fn restated(&self, position: usize, change: impl FnOnce(&mut Statement)) -> Model {
        let mut statements = self.statements();
        change(&mut statements[position].document);
        let Signed { document, .. } = statements[position].clone();
        statements[position] = Signed::by(document.clone(), document.party, &self.secret(position));
        self.model_of(&statements)
    }
}

impl Party {
    /// The same with an identity of its own.
    pub(crate) fn seed(self, seed: u8) -> Self {
        Self { seed: Some(seed), ..self }
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

pub(crate) fn verdict(model: &Model) -> Evaluation {
    evaluate(model).expect("an evaluation")
}

/// The coalitions without doubts that reach a power, as text.
pub(crate) fn solid(evaluation: &Evaluation, power: &str) -> Vec<String> {
    let ways = evaluation.powers.get(power).unwrap_or_else(|| panic!("no {power}"));
    ways.iter().filter(|way| way.doubts.is_empty()).map(|way| way.coalition.join(" ")).collect()
}

pub(crate) fn doubted(evaluation: &Evaluation, power: &str) -> Vec<String> {
    let ways = &evaluation.powers[power];
    ways.iter().filter(|way| !way.doubts.is_empty()).map(|way| way.coalition.join(" ")).collect()
}

pub(crate) fn blast<'a>(evaluation: &'a Evaluation, atom: &str) -> Vec<&'a str> {
    let found = evaluation.blast.iter().find(|blast| blast.atom == atom);
    found.unwrap_or_else(|| panic!("no {atom}")).reaches.keys().map(String::as_str).collect()
}

/// Compares with a file beside the tests; `COHOLD_BLESS=1` writes it.
pub(crate) fn golden(name: &str, found: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract").join(name);
    if std::env::var_os("COHOLD_BLESS").is_some() {
        fs::write(&path, &found).expect("writable");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), found, "{name}");
}
