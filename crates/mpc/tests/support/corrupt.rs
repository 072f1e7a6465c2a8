//! A party whose messages are rewritten before they are sealed.

use std::collections::BTreeMap;

use cohold_model::ids::PartyIndex;
use cohold_mpc::channel::{Direction, Opener, Payload, Sealer};
use cohold_mpc::{Envelope, SessionContext};

use crate::support::{keys, rng};

/// What is inside an envelope, to be rewritten.
pub(crate) struct Inside {
    pub(crate) broadcast: Option<Vec<u8>>,
    pub(crate) direct: Option<Vec<u8>>,
    /// The broadcast of an honest party in the same round.
    pub(crate) heard: Option<Vec<u8>>,
}

/// A corrupt party: runs the protocol, but waits for an honest message of each round before it sends its
/// own, rewritten and sealed anew with its own keys. It echoes what the honest party echoed, so that only
/// an equivocation is found by the echo.
pub(crate) struct Corrupt {
    from: PartyIndex,
    ends: BTreeMap<PartyIndex, (Opener, Sealer)>,
    ears: BTreeMap<PartyIndex, Opener>,
    heard: BTreeMap<u16, (Vec<u8>, Option<Vec<u8>>)>,
    held: Vec<Envelope>,
    sent: BTreeMap<(PartyIndex, u16), Envelope>,
}

impl Corrupt {
    pub(crate) fn new(context: &SessionContext) -> Self {
        let SessionContext { account, epoch, session, me: from, ref peers } = *context;
        let (mut ends, mut ears) = (BTreeMap::new(), BTreeMap::new());
        for &to in peers.keys() {
            let out = Direction { account, epoch, session, from, to };
            let back = Direction { from: to, to: from, ..out };
            let opener = Opener::new(out, &keys(to).seal, keys(from).seal_key());
            let sealer = Sealer::new(out, &keys(from).seal, &keys(to).seal_key(), &mut rng()).unwrap();
            ends.insert(to, (opener, sealer));
            ears.insert(to, Opener::new(back, &keys(from).seal, keys(to).seal_key()));
        }
        Self { from, ends, ears, heard: BTreeMap::new(), held: Vec::new(), sent: BTreeMap::new() }
    }

    /// What arrives instead of `envelope`; the others' envelopes pass.
    pub(crate) fn relay(
        &mut self,
        envelope: Envelope,
        mut rewrite: impl FnMut(u16, u8, &mut Inside),
    ) -> Vec<Envelope> {
        let mut arriving = Vec::new();
        if envelope.from == self.from {
            self.held.push(envelope);
        } else {
            self.listen(&envelope);
            arriving.push(envelope);
        }
        let (ready, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|e| self.heard.contains_key(&e.round));
        self.held = held;
        arriving.extend(ready.into_iter().map(|envelope| self.forge(&envelope, &mut rewrite)));
        arriving
    }

    fn listen(&mut self, envelope: &Envelope) {
        if envelope.to == self.from && !self.heard.contains_key(&envelope.round) {
            let plain = self.ears.get_mut(&envelope.from).unwrap().open(envelope).unwrap();
            let payload = Payload::decode(&plain).unwrap();
            let heard = (payload.echo.to_vec(), payload.broadcast.map(<[u8]>::to_vec));
            self.heard.insert(envelope.round, heard);
        }
    }

    fn forge(&mut self, envelope: &Envelope, rewrite: &mut impl FnMut(u16, u8, &mut Inside)) -> Envelope {
        let place = (envelope.to, envelope.round);
        if let Some(before) = self.sent.get(&place) {
            return before.clone();
        }
        let (opener, sealer) = self.ends.get_mut(&envelope.to).unwrap();
        let plain = opener.open(envelope).unwrap();
        let payload = Payload::decode(&plain).unwrap();
        let own = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        let (echo, heard) = self.heard[&envelope.round].clone();
        let mut inside = Inside { broadcast: own(payload.broadcast), direct: own(payload.direct), heard };
        rewrite(envelope.round, envelope.to.get(), &mut inside);
        let payload = Payload {
            from: self.from,
            echo: &echo,
            broadcast: inside.broadcast.as_deref(),
            direct: inside.direct.as_deref(),
        };
        let sealed = sealer.seal(envelope.round, &payload).unwrap();
        self.sent.insert(place, sealed.clone());
        sealed
    }
}
