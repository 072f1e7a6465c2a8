//! Keys that were made elsewhere, read and examined. What comes out is a
//! [`ForeignKey`](cohold_mpc_ecdsa::ForeignKey) and one holder's share of it, from which
//! [`KeyResharing::import`](cohold_mpc_ecdsa::KeyResharing::import) makes an account at the same address.
//!
//! - [`tss::SaveData`]: one party's part of a GG18 or GG20 key, as tss-lib (and so mpcium) saves it. Each
//!   holder reads its own; the shares are never in one place.
//! - [`phrase`]: a BIP-39 mnemonic and a BIP-32 path.
//! - [`raw`]: a key in hexadecimal digits or in wallet import format.
//!
//! Importing changes who holds the key. It does not undo what happened before: a key that existed whole may
//! have been copied, and a GG18 or GG20 key may have leaked while it signed. [`Origin::advice`] says so, and
//! it belongs before the user's eyes and into the account's custody history.

mod origin;
pub mod phrase;
pub mod raw;
pub mod tss;

pub use cohold_model::import::Origin;
pub use origin::WholeKey;
