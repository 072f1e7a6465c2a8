//! The proofs of the ciphertexts of round 1, verified by our own call before the engine sees them.
//!
//! Each signer proves of K and of G, to each other signer, that it encrypts a number in range (Π-enc-elg,
//! Figure 24): without that, the multiplication hands out the other's share (Alpha-Rays, ePrint 2021/1621).
//! Here each proof must hold by itself (Figure 8, round 2, step 1), whatever the engine makes of the two. Do
//! not take this out for being done twice.

use std::collections::BTreeMap;

use cggmp24::ExecutionId;
use cggmp24::key_share::PedersenParams;
use cggmp24::paillier_zk::fast_paillier::EncryptionKey;
use cggmp24::round_based::Incoming;
use cggmp24::security_level::{SecurityLevel, SecurityLevel128};
use cggmp24::signing::msg::{Msg, MsgRound1a, MsgRound1b};
use cggmp24::supported_curves::Secp256k1;
use cohold_model::canonical::Digest;
use cohold_model::ids::PartyIndex;
use paillier_zk::paillier_encryption_in_range_with_el_gamal as proof;
use sha2_engine::Sha256;

use crate::abort::{Abort, Check};
use crate::auxiliary::Auxiliary;
use crate::committee::Committee;
use crate::signing::EngineMessage;

/// What the proofs of one run are verified against.
pub(crate) struct Verifier {
    id: Digest,
    /// Our ring-Pedersen parameters.
    own: PedersenParams,
    /// The Paillier keys of the signers, by their numbers in the run.
    keys: Vec<EncryptionKey>,
}

/// What the engine hashes into each proof: the run, the prover, and which of its two proofs it is.
#[derive(udigest::Digestable)]
#[udigest(tag = "dfns.cggmp24.signing.proof_enc")]
struct Statement<'a> {
    sid: ExecutionId<'a>,
    prover: u16,
    num: u8,
}

impl Verifier {
    pub(crate) fn new(
        id: Digest,
        auxiliary: &Auxiliary,
        me: PartyIndex,
        signers: &Committee,
    ) -> Option<Self> {
        let number = |party: &PartyIndex| auxiliary.members().number(*party).map(usize::from);
        let info = auxiliary.info();
        let own = info.pedersen_params.get(number(&me)?)?.clone();
        let key = |party| Some(EncryptionKey::from_n(info.N.get(number(party)?)?.clone()));
        let keys = signers.parties().iter().map(key).collect::<Option<_>>()?;
        Some(Self { id, own, keys })
    }

    /// The same of a run with another name.
    pub(crate) fn named(self, id: Digest) -> Self {
        Self { id, ..self }
    }

    /// Names the run to the engine.
    pub(crate) fn id(&self) -> Digest {
        self.id
    }

    /// The parties of which a proof among these messages fails; none of any other round.
    pub(crate) fn check(&self, messages: &[Incoming<EngineMessage>]) -> Option<Abort> {
        let mut ciphertexts = BTreeMap::new();
        let mut failed = Vec::new();
        for Incoming { sender, msg, .. } in messages {
            match msg {
                Msg::Round1a(message) => drop(ciphertexts.insert(*sender, message)),
                Msg::Round1b(proofs) => {
                    // Broadcasts come first, and each sender has one of both: the session saw to it.
                    let holds = ciphertexts.get(sender).is_some_and(|of| self.holds(*sender, of, proofs));
                    failed.extend((!holds).then_some(*sender));
                }
                Msg::Round2(_) | Msg::Round3(_) | Msg::Round4(_) | Msg::ReliabilityCheck(_) => {}
            }
        }
        (!failed.is_empty()).then_some(Abort::Check(Check::Encryption, failed))
    }

    fn holds(&self, prover: u16, of: &MsgRound1a<Secp256k1>, proofs: &MsgRound1b<Secp256k1>) -> bool {
        let Some(key) = self.keys.get(usize::from(prover)) else { return false };
        let parts = [(&of.K, &of.A1, &of.A2, &proofs.psi0), (&of.G, &of.B1, &of.B2, &proofs.psi1)];
        let security = proof::SecurityParams { l: SecurityLevel128::ELL, epsilon: SecurityLevel128::EPSILON };
        (0..).zip(parts).all(|(num, (ciphertext, b, x, psi))| {
            let statement = Statement { sid: ExecutionId::new(&self.id.0), prover, num };
            let data = proof::Data { key, ciphertext, a: &of.Y, b, x };
            let own = (&self.own).into();
            proof::non_interactive::verify::<_, Sha256>(&statement, &own, data, psi, &security).is_ok()
        })
    }
}
