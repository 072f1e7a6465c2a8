//! Taking everything with a stolen quorum, and trying it with less than one.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{Address, assemble, decode, plan, signing_digest};
use cohold_chain_io::{Broadcast, Chain};
use cohold_model::charter::Charter;
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Digest, HexBytes, KeyPath, SessionId};
use cohold_mpc::SessionContext;
use cohold_mpc_ecdsa::{RecoverableSignature, SigningDigest};
use cohold_party::engine::SigningSession;
use k256::ecdsa::SigningKey;
use k256::elliptic_curve::PrimeField as _;
use k256::{NonZeroScalar, Scalar};

use super::loot::{Taken, Tried};
use super::orders::{Theft, Wish, intent};
use super::plunder::Stolen;
use super::strategy::Strategy;
use crate::quorum;

/// How long to wait for the chain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signs everything that the account has away, by no rules at all, and has it mined.
pub(crate) async fn everything(
    charter: &Charter,
    chain: &Chain,
    stolen: &[&Stolen],
    to: Address,
) -> anyhow::Result<Taken> {
    let theft = drain(charter, chain, stolen.first().context("no share is open")?, to).await?;
    let threshold = usize::from(charter.terms.threshold);
    anyhow::ensure!(stolen.len() >= threshold, "{} shares are open, it takes {threshold}", stolen.len());
    let locals: Vec<_> = stolen.iter().take(threshold).map(|party| party.local()).collect();
    let digest = SigningDigest(signing_digest(&theft.plan.payload.0));
    let (account, epoch, session) = (charter.terms.account, charter.epoch, new_session()?);
    let wanted = (digest, KeyPath::ROOT);
    let signing = tokio::task::spawn_blocking(move || quorum::sign(account, epoch, &locals, session, wanted));
    let RecoverableSignature { r, s, recovery_id } = signing.await??;
    let signature = RawSignature { r, s, recovery_id };
    let signed = assemble(&theft.plan.payload.0, &signature, &charter.key.public_key.0)?;
    let Action::Transfer { asset, to, amount } = theft.intent.action;
    match chain.broadcast(&signed).await? {
        Broadcast::Accepted | Broadcast::AlreadyKnown => {}
        Broadcast::Rejected(rejection) => anyhow::bail!("the chain refused: {}", rejection.reason),
    }
    let began = Instant::now();
    while chain.inclusion(&signed.hash).await?.is_none() {
        anyhow::ensure!(began.elapsed() < PATIENCE, "the chain does not mine");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let hash = HexBytes(signed.hash.to_vec()).to_string();
    Ok(Taken { power: "move".into(), hash, asset, amount, to })
}

/// All of the chain's coin that the account has, but the fee.
async fn drain(charter: &Charter, chain: &Chain, by: &Stolen, to: Address) -> anyhow::Result<Theft> {
    let from = Address::of_public_key(&charter.key.public_key.0)?;
    let chain_id = chain.chain_id().await?;
    let wish = |amount| Wish { asset: Asset::Native, to, amount };
    let little = intent(charter, chain_id, &by.party, &wish(Amount::from(1)));
    let facts = chain.gather_facts(from, &little).await.context("the account has nothing to take")?;
    let fee = decode(&plan(&little, &facts)?.payload.0)?.max_fee_total();
    let amount = facts.funds.native.0.checked_sub(fee.0).context("the account cannot pay the fee")?;
    let intent = intent(charter, chain_id, &by.party, &wish(Amount(amount)));
    let plan = plan(&intent, &facts)?;
    Ok(Theft { intent, plan })
}

/// Fewer shares than it takes, every way: through the engine, and as if they were the key.
pub(crate) async fn too_few(
    charter: &Charter,
    chain: &Chain,
    stolen: &[&Stolen],
    to: Address,
) -> anyhow::Result<Tried> {
    let Some(first) = stolen.first() else {
        return Ok(Tried::stopped(Strategy::TooFewShares, 0, "no share is open"));
    };
    let engine = refused_by_engine(charter, first)?;
    let theft = drain(charter, chain, first, to).await?;
    let account = Address::of_public_key(&charter.key.public_key.0)?;
    let (mut tries, mut last) = (1, String::new());
    for key in as_if_whole(stolen)? {
        tries += 1;
        let signed = signed_with(&key, &theft)?;
        if signed.from == account {
            let outcome = "too few shares made the whole key".into();
            return Ok(Tried {
                strategy: Strategy::TooFewShares,
                against: None,
                tries,
                stopped: false,
                outcome,
            });
        }
        last = match chain.broadcast(&signed).await? {
            Broadcast::Rejected(rejection) => rejection.reason,
            Broadcast::Accepted | Broadcast::AlreadyKnown => "accepted, from another account".into(),
        };
    }
    let outcome = format!("the engine: {engine}; the chain, to what they sign as if they were whole: {last}");
    Ok(Tried::stopped(Strategy::TooFewShares, tries, outcome))
}

/// The engine's own word when fewer take part than the key wants.
fn refused_by_engine(charter: &Charter, alone: &Stolen) -> anyhow::Result<String> {
    let Some(key) = &alone.key else { return Ok("no engine data is here".into()) };
    let context = SessionContext {
        account: charter.terms.account,
        epoch: charter.epoch,
        session: new_session()?,
        me: alone.index,
        peers: std::collections::BTreeMap::new(),
    };
    let nobody = std::collections::BTreeSet::new();
    let (own, mut rng) = ((&*alone.share, &key.auxiliary), cohold_node::rng());
    let draw = (&*alone.keys, &mut rng);
    let wanted = (SigningDigest([7; 32]), &KeyPath::ROOT);
    match SigningSession::new(charter.engine, context, own, &nobody, wanted, draw) {
        Err(refusal) => Ok(refusal.message),
        Ok(_) => anyhow::bail!("the engine begins to sign with one share"),
    }
}

/// Keys that a thief may hope for: each share itself, all of them at zero, and with the missing ones
/// taken for zero or for one.
fn as_if_whole(stolen: &[&Stolen]) -> anyhow::Result<Vec<SigningKey>> {
    let mut points = Vec::new();
    for party in stolen {
        let bytes = party.share.to_secret_bytes();
        let secret: [u8; 32] = bytes.get(4..36).and_then(|b| b.try_into().ok()).context("a share is cut")?;
        let secret =
            Option::<Scalar>::from(Scalar::from_repr(secret.into())).context("a share is no number")?;
        points.push((Scalar::from(u64::from(party.index.get())), secret));
    }
    let mut keys: Vec<Scalar> = points.iter().map(|(_, secret)| *secret).collect();
    keys.push(at_zero(&points));
    let missing = (1..=9_u64).map(Scalar::from).filter(|x| points.iter().all(|(other, _)| other != x));
    for x in missing {
        for guess in [Scalar::ZERO, Scalar::ONE] {
            keys.push(at_zero(&[points.as_slice(), &[(x, guess)]].concat()));
        }
    }
    let keys = keys.into_iter().filter_map(|key| Option::<NonZeroScalar>::from(NonZeroScalar::new(key)));
    Ok(keys.map(SigningKey::from).collect())
}

/// The value at zero of the polynomial through these points (Lagrange). All x differ.
fn at_zero(points: &[(Scalar, Scalar)]) -> Scalar {
    let weight = |x: &Scalar| {
        let others = points.iter().map(|(other, _)| other).filter(|other| *other != x);
        others.fold(Scalar::ONE, |product, other| {
            product * other * (*other - x).invert().unwrap_or(Scalar::ZERO)
        })
    };
    points.iter().fold(Scalar::ZERO, |sum, (x, secret)| sum + weight(x) * secret)
}

fn signed_with(key: &SigningKey, theft: &Theft) -> anyhow::Result<cohold_chain_evm::assemble::Signed> {
    let digest = signing_digest(&theft.plan.payload.0);
    let (signature, recovery_id) = key.sign_prehash_recoverable(&digest);
    let (r, s) = signature.split_bytes();
    let raw = RawSignature { r: r.into(), s: s.into(), recovery_id: recovery_id.to_byte() };
    let public = key.verifying_key().to_sec1_point(true);
    Ok(assemble(&theft.plan.payload.0, &raw, public.as_bytes())?)
}

/// A session that never was.
fn new_session() -> anyhow::Result<SessionId> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(SessionId(Digest(bytes)))
}

/// An address whose key nobody keeps: what is taken shows there, and nowhere else.
pub(crate) fn thief_address() -> anyhow::Result<Address> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key = SigningKey::from_bytes(&bytes.into())?;
    Ok(Address::of_public_key(key.verifying_key().to_sec1_point(true).as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_points_give_the_value_at_zero_and_fewer_do_not() {
        let (zero, slope) = (Scalar::from(42_u64), Scalar::from(7_u64));
        let at = |x: u64| (Scalar::from(x), zero + slope * Scalar::from(x));
        assert_eq!(at_zero(&[at(1), at(3)]), zero);
        assert_ne!(at_zero(&[at(1)]), zero);
        assert_ne!(at_zero(&[at(1), (Scalar::from(2_u64), Scalar::ZERO)]), zero);
    }
}
