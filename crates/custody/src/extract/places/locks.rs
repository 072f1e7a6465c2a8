//! What opens a share that lies sealed on a disk or in a file: the thing itself, and something beside it.

use cohold_model::token::PinSource;

use super::Draft;
use crate::extract::use_of;
use crate::model::{Evidence, Rule};
use crate::needs::Needs;

/// A thing and what opens it, which open a share together.
pub(super) struct Lock {
    pub(super) thing: String,
    key: Key,
    /// The two in words.
    said: [&'static str; 2],
}

/// What opens a thing.
enum Key {
    /// A text that somebody knows.
    Text(String),
    /// A hardware token, and its PIN where that does not lie on the same disk.
    Token { token: String, pin: Option<String> },
}

impl Lock {
    pub(super) fn new(thing: String, secret: String, said: [&'static str; 2]) -> Self {
        Self { thing, key: Key::Text(secret), said }
    }

    pub(super) fn token(disk: String, token: String, pin: Option<String>) -> Self {
        let opener = match pin {
            Some(_) => "the token and its PIN",
            None => "the token, whose PIN lies on the disk",
        };
        Self { thing: disk, key: Key::Token { token, pin }, said: ["the disk", opener] }
    }

    pub(super) fn has_token(&self) -> bool {
        matches!(self.key, Key::Token { .. })
    }
}

/// Who else comes to what opens a thing.
#[derive(Default)]
pub(super) struct Openers {
    /// To a PIN or passphrase.
    pub(super) secret: Vec<String>,
    /// Who administers the token: may use it, and set another PIN.
    pub(super) token: Vec<String>,
}

impl Draft<'_> {
    /// How a lock opens by those whose it is, by a guess, and by a token that is broken.
    pub(super) fn lock(&mut self, party: &str, lock: &Lock, evidence: Evidence) {
        let [thing, opener] = lock.said;
        let thing_of = || Needs::from(lock.thing.as_str());
        let mut opens = |needs: Needs, because: String| {
            self.rules.push(Rule::new(use_of(party), needs).because(because).evidence(evidence));
        };
        let because = format!("the share of `{party}` opens with {thing} and {opener} together");
        let weak = || Needs::from(self.weak_secret.as_str());
        let guessed = match &lock.key {
            Key::Text(secret) => {
                opens(Needs::all([thing_of(), secret.as_str().into()]), because);
                let because =
                    format!("whoever has {thing} may try at leisure to guess {opener} of `{party}`");
                Some((Needs::all([thing_of(), weak()]), because))
            }
            Key::Token { token, pin: None } => {
                opens(Needs::all([thing_of(), token.as_str().into()]), because);
                None
            }
            Key::Token { token, pin: Some(pin) } => {
                opens(Needs::all([thing_of(), token.as_str().into(), pin.as_str().into()]), because);
                let because = format!(
                    "whoever has {thing} and the token of `{party}` may guess its PIN, if it does not lock"
                );
                Some((Needs::all([thing_of(), token.as_str().into(), weak()]), because))
            }
        };
        if let Some((needs, because)) = guessed {
            opens(needs, because);
            self.guesses = true;
        }
        if lock.has_token() {
            let because = format!(
                "the key that opens {thing} of `{party}` is out of its token, if a token gives keys away"
            );
            opens(Needs::all([thing_of(), self.broken_token.as_str().into()]), because);
            self.tokens = true;
        }
    }

    /// What opens a lock's thing, with what others have.
    pub(super) fn opened_by(&self, lock: &Lock, openers: Openers) -> Needs {
        let weak = self.weak_secret.clone();
        match &lock.key {
            Key::Text(secret) => Needs::any(openers.secret.into_iter().chain([secret.clone(), weak])),
            Key::Token { token, pin } => {
                let own = match pin {
                    None => Needs::from(token.as_str()),
                    Some(pin) => {
                        let pins = Needs::any(openers.secret.into_iter().chain([pin.clone(), weak]));
                        Needs::all([token.as_str().into(), pins])
                    }
                };
                let others = openers.token.into_iter().chain([self.broken_token.clone()]);
                Needs::any([own].into_iter().chain(others.map(Needs::from)))
            }
        }
    }
}

/// The PIN source of a stated token whose key never left it.
pub(super) fn pin_of(token: Option<&cohold_model::Token>) -> Option<PinSource> {
    token.filter(|token| token.key_never_left).map(|token| token.pin)
}
