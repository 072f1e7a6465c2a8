//! Shares put together: the very key, from any quorum, and from nothing less.

use cohold_mpc_ecdsa::{ExportError, Share, reconstruct};
use k256::SecretKey;
use k256::elliptic_curve::sec1::ToSec1Point as _;

use crate::network::{Wallet, wallet};

fn shares<'a>(wallet: &'a Wallet, who: &[u8]) -> Vec<&'a Share> {
    who.iter().map(|index| &wallet[index].share).collect()
}

#[test]
fn any_quorum_makes_the_key_and_nothing_less_does() {
    let (wallet, other) = (wallet(2, 3), crate::network::wallet(2, 3));
    let public = wallet[&1].share.key().public_key();
    for who in [&[1, 2][..], &[1, 3], &[3, 2], &[1, 2, 3], &[2, 2, 3]] {
        let private = reconstruct(&shares(&wallet, who)).unwrap();
        let found = SecretKey::from_slice(private.secret_bytes()).unwrap().public_key();
        assert_eq!(found.to_sec1_point(true).as_bytes(), public, "{who:?}");
        assert_eq!(format!("{private:?}"), "PrivateKey");
    }
    for (given, who) in [(0, &[][..]), (1, &[1]), (1, &[3, 3])] {
        let refused = reconstruct(&shares(&wallet, who)).unwrap_err();
        assert_eq!(refused, ExportError::Few { given, threshold: 2 });
    }
    let mixed = [shares(&wallet, &[1]), shares(&other, &[2])].concat();
    assert_eq!(reconstruct(&mixed).unwrap_err(), ExportError::Mixed);
}
