//! The last word of each party of an account about what it holds.

use cohold_model::statement::Statement;
use cohold_model::{AccountId, Signed};
use rusqlite::params;

use super::{ServerStore, all, change};
use crate::crash_point;
use crate::database::{StoreError, from_text, seconds, to_text};

impl ServerStore {
    /// Keeps statements, whose signatures the caller has checked; an older one never displaces a newer.
    pub fn statement_put(&self, statements: &[Signed<Statement>]) -> Result<(), StoreError> {
        self.database.write(|tx| {
            for statement in statements {
                let Statement { account, party, issued_at, .. } = &statement.document;
                let text = to_text("statements", statement)?;
                change(
                    tx,
                    "INSERT INTO statements (account, party, issued_at, statement) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET issued_at = excluded.issued_at, statement = excluded.statement
                     WHERE excluded.issued_at >= statements.issued_at",
                    params![account.to_string(), party.to_string(), seconds(*issued_at), text],
                )?;
            }
            crash_point!("server.statement-put.before");
            Ok(())
        })?;
        crash_point!("server.statement-put.after");
        Ok(())
    }

    /// The last statement of each party of an account, by party.
    pub fn statement_list(&self, account: AccountId) -> Result<Vec<Signed<Statement>>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT statement FROM statements WHERE account = ?1 ORDER BY party";
            all(tx, sql, [account.to_string()], |row| {
                from_text("statements", &row.get::<_, String>("statement")?)
            })
        })
    }
}
