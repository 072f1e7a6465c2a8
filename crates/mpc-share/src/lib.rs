//! Resharing: the holders of a Shamir-shared secret give new shares of the same secret to other
//! holders, at other points, with another threshold. Nobody ever has the secret. Written once for every
//! prime-order group; see [`Curve`].
//!
//! A quorum Q of the old holders deals. Dealer i takes λᵢ(Q)·xᵢ, whose sum over Q is the secret, and
//! shares it by a random polynomial fᵢ of degree t − 1 with fᵢ(0) = λᵢxᵢ (Desmedt and Jajodia 1997; the
//! commitments are Feldman's, 1987). The new share of holder j is the sum of all fᵢ(j).
//!
//! | round | broadcast | to each holder |
//! |---|---|---|
//! | 1 | all: digest of the [`Ceremony`]. Dealers, signed: commitments to fᵢ, a hash of each sub-share | fᵢ(j) and the salt of its hash |
//! | 2 | digest of the new public shares, or a finding | – |
//! | 3 | echo only: confirms that all saw the same | |
//!
//! Everybody checks that a dealer committed to exactly t coefficients, none of them zero, and to
//! λᵢ·Xᵢ of its *old* public share. So the key stays, and no dealer can raise or lower the threshold.
//!
//! What a dealer sends to a holder opens a hash that it signed. A sub-share that opens the hash and
//! contradicts the signed commitments is [`Evidence`]: [`judge`] convicts by it, anywhere, later, and
//! never an honest dealer. The others are shown it in round 2 and come to the same verdict. What cannot be
//! proved (nothing came, or what came does not open) names its sender, and a new session may be tried.
//!
//! A share can also be given to guardians: the functions around [`Pieces`].
//!
//! New shares and old ones do not mix: they lie on different polynomials. The old ones are as good as
//! before until they are wiped; that a quorum of holders does so is what excludes a party.

mod ceremony;
mod curve;
mod deal;
mod entrust;
mod evidence;
mod findings;
mod polynomial;
mod resharing;

pub use ceremony::{Ceremony, CeremonyError, Dealer};
pub use curve::{Curve, Ed25519, Secp256k1, Secret, point, scalar};
pub use entrust::{CombineError, Pieces, combine, entrust, is_piece};
pub use evidence::{Acquittal, EVIDENCE_BYTES_MAX, Evidence, EvidenceError, Verdict, judge};
pub use polynomial::weights;
pub use resharing::{Dealing, Reshared, Resharing, ResharingError};
