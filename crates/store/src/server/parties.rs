//! The parties that said hello, by their own cards.

use cohold_model::account::Card;
use cohold_model::{IdentityKey, Signed};
use rusqlite::params;

use super::{ServerStore, all, change, first};
use crate::crash_point;
use crate::database::{StoreError, from_text, seconds, to_text};

impl ServerStore {
    /// Remembers a card that its party signed. Beyond `most` parties, those that were away longest are
    /// forgotten: they say hello again when they are back.
    pub fn party_put(&self, card: &Signed<Card>, most: u32, now: u64) -> Result<(), StoreError> {
        self.database.write(|tx| {
            let text = to_text("parties", card)?;
            change(
                tx,
                "INSERT INTO parties VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET card = excluded.card, seen_at = max(seen_at, excluded.seen_at)",
                params![card.document.identity.to_string(), text, seconds(now)],
            )?;
            change(
                tx,
                "DELETE FROM parties WHERE identity IN (
                   SELECT identity FROM parties WHERE identity <> ?2 ORDER BY seen_at
                   LIMIT max(0, (SELECT count(*) FROM parties) - ?1))",
                params![most, card.document.identity.to_string()],
            )?;
            crash_point!("server.party-put.before");
            Ok(())
        })?;
        crash_point!("server.party-put.after");
        Ok(())
    }

    /// The card of an identity.
    pub fn party_show(&self, identity: &IdentityKey) -> Result<Option<Signed<Card>>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT card FROM parties WHERE identity = ?1";
            first(tx, sql, [identity.to_string()], |row| from_text("parties", &row.get::<_, String>("card")?))
        })
    }

    /// Cards, those seen last first, at most 1,000.
    pub fn party_list(&self) -> Result<Vec<Signed<Card>>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT card FROM parties ORDER BY seen_at DESC, identity LIMIT 1000";
            all(tx, sql, [], |row| from_text("parties", &row.get::<_, String>("card")?))
        })
    }
}
