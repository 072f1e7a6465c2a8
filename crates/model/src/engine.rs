//! By which protocol the parties of an account sign. The shares are the same for either.

use serde::{Deserialize, Serialize};

use crate::account::PartyKind;

/// A threshold engine for ECDSA over secp256k1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// DKLs23 (ePrint 2023/765): oblivious transfer between each two parties. What an account begins with.
    #[default]
    Dkls23,
    /// CGGMP24 (ePrint 2021/060, revision of 2024): Paillier encryption, among parties that are awake.
    Cggmp24,
}

/// No engine of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no engine: use `dkls23` or `cggmp24`")]
pub struct EngineError(String);

impl Engine {
    /// Its name, as it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dkls23 => "dkls23",
            Self::Cggmp24 => "cggmp24",
        }
    }

    /// Whether it is the one that an account begins with, which a charter does not name.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a party of this kind keeps data of this engine. A recovery file holds a share and nothing
    /// else, and who signs from files sets the first engine up on the spot, in one process.
    #[must_use]
    pub fn serves(self, kind: PartyKind) -> bool {
        match self {
            Self::Dkls23 => true,
            Self::Cggmp24 => kind != PartyKind::Recovery,
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Engine {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let all = [Self::Dkls23, Self::Cggmp24];
        all.into_iter().find(|engine| engine.name() == text).ok_or_else(|| EngineError(text.into()))
    }
}
