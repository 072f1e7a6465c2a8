//! That the key was whole once: exported on the way out, or imported.

use cohold_model::statement::Statement;

/// A doubt for ever.
pub(super) struct Whole {
    /// What its atom is called, if nothing else is.
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    pub(super) because: String,
}

/// What the parties say of a key that was whole. Whoever has that needs nothing else.
pub(super) fn keys<'a>(said: impl Iterator<Item = &'a Statement> + Clone) -> Vec<Whole> {
    let exported = said.clone().find(|statement| statement.exported_at.is_some()).map(|statement| Whole {
        name: "exported-key",
        says: "somebody else has the whole key that was exported",
        because: format!("`{}` says that it exported the whole key", statement.party),
    });
    let imported = said.clone().find(|statement| statement.imported).map(|statement| Whole {
        name: "imported-key",
        says: "somebody kept the whole key from before it was imported",
        because: format!(
            "`{}` says that the key existed whole before it was imported: move the funds to a new account",
            statement.party
        ),
    });
    exported.into_iter().chain(imported).collect()
}
