//! A peer that lies: what it seals is opened on the way, rewritten, and sealed again with its own keys.
//! To the receiver it is the genuine word of that peer.

use std::collections::BTreeMap;

use cohold_model::account::Terms;
use cohold_model::{Epoch, PartyIndex, SessionId};
use cohold_mpc::channel::{Direction, Opener, Payload, Sealer};
use cohold_mpc::{Envelope, PartyKeys};

use crate::relay::{Interceptor, Passing};

/// What is inside an envelope, to be rewritten.
#[derive(Debug)]
pub struct Words {
    /// The round.
    pub round: u16,
    /// To whom.
    pub to: PartyIndex,
    /// The sender as named inside.
    pub from: PartyIndex,
    /// What the sender saw of everybody's broadcasts, in one digest.
    pub echo: Vec<u8>,
    /// To all.
    pub broadcast: Option<Vec<u8>>,
    /// To the receiver alone.
    pub direct: Option<Vec<u8>>,
}

/// A two-faced peer in one session.
pub struct TwoFaced {
    from: PartyIndex,
    ends: BTreeMap<PartyIndex, (Opener, Sealer)>,
    said: BTreeMap<(PartyIndex, u16), Envelope>,
}

impl TwoFaced {
    /// The party at `from` in a session of the account's first epoch. `keys` are those of all parties
    /// in order: the liar's to seal, the others' in place of its memory of what it sealed.
    #[must_use]
    pub fn new(terms: &Terms, session: SessionId, from: PartyIndex, keys: &[&PartyKeys]) -> Self {
        Self::at(terms, Epoch::FIRST, session, from, keys)
    }

    /// The same in a session of another epoch.
    #[must_use]
    pub fn at(
        terms: &Terms,
        epoch: Epoch,
        session: SessionId,
        from: PartyIndex,
        keys: &[&PartyKeys],
    ) -> Self {
        let of = |i: PartyIndex| keys.get(usize::from(i.get()) - 1).expect("every party has keys");
        let (own, indices) = (of(from), terms.indexed().map(|(i, _)| i).filter(|i| *i != from));
        let ends = indices.map(|to| {
            let direction = Direction { account: terms.account, epoch, session, from, to };
            let opener = Opener::new(direction, &of(to).seal, own.seal_key());
            let sealer = Sealer::new(direction, &own.seal, &of(to).seal_key(), &mut cohold_node::rng());
            (to, (opener, sealer.expect("the keys of real parties work")))
        });
        Self { from, ends: ends.collect(), said: BTreeMap::new() }
    }

    /// Rewrites everything that the peer says; the others' envelopes pass.
    #[must_use]
    pub fn saying(mut self, mut rewrite: impl FnMut(&mut Words) + Send + 'static) -> Interceptor {
        Box::new(move |passing| {
            if passing.envelope.from != self.from {
                return vec![passing.into()];
            }
            vec![self.lie(passing, &mut rewrite).into()]
        })
    }

    fn lie(&mut self, passing: Passing, rewrite: &mut impl FnMut(&mut Words)) -> Passing {
        let envelope = self.retell(&passing.envelope, rewrite).expect("the peer's envelope opens");
        Passing { envelope, ..passing }
    }

    /// One envelope of the peer, rewritten and sealed again; the same one twice gives the same. None where it
    /// is of another run than the first.
    pub fn retell(&mut self, envelope: &Envelope, rewrite: &mut impl FnMut(&mut Words)) -> Option<Envelope> {
        let (to, round) = (envelope.to, envelope.round);
        if let Some(before) = self.said.get(&(to, round)) {
            return Some(before.clone());
        }
        let (opener, sealer) = self.ends.get_mut(&to).expect("envelopes go to parties");
        let plain = opener.open(envelope)?;
        let payload = Payload::decode(&plain).expect("the peer's envelope holds a payload");
        let own = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        let (broadcast, direct) = (own(payload.broadcast), own(payload.direct));
        let echo = payload.echo.to_vec();
        let mut words = Words { round, to, from: payload.from, echo, broadcast, direct };
        rewrite(&mut words);
        let payload = Payload {
            from: words.from,
            echo: &words.echo,
            broadcast: words.broadcast.as_deref(),
            direct: words.direct.as_deref(),
        };
        let envelope = sealer.seal(round, &payload).expect("each round is sealed once");
        self.said.insert((to, round), envelope.clone());
        Some(envelope)
    }
}
