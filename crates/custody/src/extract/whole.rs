//! That the key was elsewhere once: exported on the way out, or made before the account was.

use cohold_model::import::Origin;
use cohold_model::statement::Statement;

/// A doubt for ever.
pub(super) struct Whole {
    /// What its atom is called, if nothing else is.
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    pub(super) because: String,
}

/// What the charter and the parties say of a key that was elsewhere. Whoever has that needs nothing else.
pub(super) fn keys<'a>(
    origin: Option<Origin>,
    said: impl Iterator<Item = &'a Statement> + Clone,
) -> Vec<Whole> {
    let exported = said.clone().find(|statement| statement.exported_at.is_some()).map(|statement| Whole {
        name: "exported-key",
        says: "somebody else has the whole key that was exported",
        because: format!("`{}` says that it exported the whole key", statement.party),
    });
    let imported = match origin {
        Some(origin) => Some(of_origin(origin)),
        None => said.clone().find(|statement| statement.imported).map(|statement| Whole {
            name: "imported-key",
            says: "somebody kept the whole key from before it was imported",
            because: format!(
                "`{}` says that the key existed whole before it was imported: move the funds to a new account",
                statement.party
            ),
        }),
    };
    exported.into_iter().chain(imported).collect()
}

/// All parties signed how the key existed before.
fn of_origin(origin: Origin) -> Whole {
    let says = match origin {
        Origin::Mnemonic => "somebody kept the mnemonic, or the key below it, from before it was imported",
        Origin::Raw => "somebody kept the whole key from before it was imported",
        Origin::TssLib => {
            "the key leaked while GG18 or GG20 software had it, or enough of its holders kept their old shares"
        }
    };
    let because = format!("every party signed that the key was imported: {}", origin.advice());
    Whole { name: "imported-key", says, because }
}
