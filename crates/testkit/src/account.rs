//! Accounts, wishes and the documents around them, as an honest coordinator would make them. Tests
//! take them apart from there: every field is public.

use cohold_chain_evm::assemble::{AssembleError, RawSignature};
use cohold_chain_evm::plan::Funds;
use cohold_chain_evm::{Facts, assemble, plan};
use cohold_model::charter::Charter;
use cohold_model::intent::{Action, Approval, Asset};
use cohold_model::{
    AccountId, Amount, Document as _, HexBytes, Intent, KeyPath, PartyIndex, PartyName, Plan, RequestId,
    Signed,
};
use cohold_mpc::PartyKeys;
use cohold_party::wire::SignOrder;

use crate::party::Party;

/// The chain of the tests.
pub const CHAIN: u64 = 31_337;
/// A receiver on the parties' lists.
pub const ALICE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
/// Another receiver on the parties' lists.
pub const BOB: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
/// A receiver on nobody's list.
pub const MALLORY: &str = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";
/// A token in the parties' rules.
pub const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
/// One unit of the chain's coin.
pub const COIN: u128 = 1_000_000_000_000_000_000;
/// The rules that parties run where a test says nothing else.
pub const RULES: &str = r#"
accept = "any"

[[chain]]
id = 31337
coin = "ETH"
fee_max = "0.01"

[[chain.asset]]
per_transaction = "1"
per_day = "3"
receivers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"]

[[chain.asset]]
token = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
symbol = "TST"
decimals = 6
per_day = "1000"
receivers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]
"#;
/// What nodes add to them that join in resharings at once.
pub const JOINS: &str = "[resharing]\ndelay_seconds = 0\n";

/// An account that every party signed for.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its charter, signed by all.
    pub charter: Signed<Charter>,
}

/// A payment that somebody wants, and what the chain says about it.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The request.
    pub request: RequestId,
    /// What moves.
    pub asset: Asset,
    /// To whom.
    pub to: String,
    /// How much, in base units.
    pub amount: u128,
    /// On which chain.
    pub chain_id: u64,
    /// From which address of the account.
    pub path: KeyPath,
    /// That address's nonce there.
    pub nonce: u64,
    /// The base fee there, in wei per gas.
    pub base_fee_per_gas: u128,
    /// When intent and approval end.
    pub expires_at: u64,
}

impl Wish {
    /// Pays one hundredth of the coin to [`ALICE`], as the parties' rules allow.
    #[must_use]
    pub fn new() -> Self {
        Self {
            request: RequestId::random(&mut cohold_node::rng()),
            asset: Asset::Native,
            to: ALICE.into(),
            amount: COIN / 100,
            chain_id: CHAIN,
            path: KeyPath::ROOT,
            nonce: 0,
            base_fee_per_gas: 1_000_000_000,
            expires_at: cohold_node::now() + 3600,
        }
    }
}

impl Default for Wish {
    fn default() -> Self {
        Self::new()
    }
}

impl Account {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.charter.document.terms.account
    }

    /// The intent of a wish, in the name of the first party.
    #[must_use]
    pub fn intent(&self, wish: &Wish) -> Intent {
        let requester = self.charter.document.terms.parties.first().expect("an account has parties");
        Intent {
            request: wish.request,
            account: self.id(),
            chain_id: wish.chain_id,
            action: Action::Transfer {
                asset: wish.asset.clone(),
                to: wish.to.clone(),
                amount: wish.amount.into(),
            },
            requester: requester.party.clone(),
            expires_at: wish.expires_at,
            path: wish.path,
        }
    }

    /// The plan of a wish.
    #[must_use]
    pub fn plan(&self, wish: &Wish) -> Plan {
        let facts = Facts {
            chain_id: wish.chain_id,
            nonce: wish.nonce,
            base_fee_per_gas: wish.base_fee_per_gas,
            max_priority_fee_per_gas: 1_000_000_000,
            gas_estimate: 21_000,
            funds: Funds { native: Amount::MAX, token: Amount::MAX },
        };
        plan(&self.intent(wish), &facts).expect("the wish can be planned")
    }

    /// `approver`'s word for a plan.
    #[must_use]
    pub fn approval(&self, plan: &Plan, approver: &Party, expires_at: u64) -> Signed<Approval> {
        self.approved(plan, approver.spec.party.clone(), &approver.keys, expires_at)
    }

    /// The same, by name and keys.
    #[must_use]
    pub fn approved(
        &self,
        plan: &Plan,
        approver: PartyName,
        keys: &PartyKeys,
        expires_at: u64,
    ) -> Signed<Approval> {
        let approval = Approval {
            account: self.id(),
            charter: self.charter.document.digest(),
            plan: plan.digest(),
            approver: approver.clone(),
            expires_at,
        };
        Signed::by(approval, approver, &keys.identity)
    }

    /// The order to carry out a wish, approved by `approver`.
    #[must_use]
    pub fn order(&self, wish: &Wish, approver: &Party, signers: &[u8], attempt: u32) -> SignOrder {
        let plan = self.plan(wish);
        SignOrder {
            charter: self.charter.document.digest(),
            intent: self.intent(wish),
            approvals: vec![self.approval(&plan, approver, wish.expires_at)],
            plan,
            signers: signers.iter().map(|i| index(*i)).collect(),
            attempt,
            presignature: None,
        }
    }

    /// Puts a signature into the transaction, as whoever broadcasts it does: only a signature of this
    /// account over these bytes fits.
    pub fn assemble(
        &self,
        plan: &Plan,
        signature: &HexBytes,
    ) -> Result<cohold_chain_evm::Signed, AssembleError> {
        self.assemble_at(plan, signature, &KeyPath::ROOT)
    }

    /// The same of an address below the account's.
    pub fn assemble_at(
        &self,
        plan: &Plan,
        signature: &HexBytes,
        path: &KeyPath,
    ) -> Result<cohold_chain_evm::Signed, AssembleError> {
        let (r, rest) = signature.0.split_first_chunk().expect("a signature has 65 bytes");
        let (s, last) = rest.split_first_chunk().expect("a signature has 65 bytes");
        let &[recovery_id] = last else { panic!("a signature has 65 bytes, not {}", signature.0.len()) };
        let raw = RawSignature { r: *r, s: *s, recovery_id };
        let key =
            self.charter.document.key.child(path).expect("there is a key at every path but one in 2^127");
        assemble(&plan.payload.0, &raw, &key.0)
    }
}

/// A party's point.
#[must_use]
pub fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).expect("tests use points 1 to 9")
}
