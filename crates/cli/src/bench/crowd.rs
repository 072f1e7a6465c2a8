//! Many accounts in a node's database: copies of a true one under other ids, with charters and sealed
//! shares of true size. Auxiliary data, 105 kB each, are cut to a hundredth: nothing reads those of
//! other accounts, and 10 GB of them would measure the disk.

use std::path::Path;

use rusqlite::Connection;

/// Sixteen and thirty-two random bytes in hexadecimal, as ids and digests are written.
const SQL: &str = "
BEGIN;
CREATE TEMP TABLE crowd AS
    WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < :accounts)
    SELECT 'acc_' || lower(hex(randomblob(16))) AS account FROM counter;
CREATE TEMP TABLE model AS SELECT * FROM main.accounts WHERE state = 'active' LIMIT 1;
INSERT INTO accounts
    SELECT c.account, m.state, m.proposal, m.charter, lower(hex(randomblob(32))), m.held_since
    FROM crowd c, model m ORDER BY c.account;
INSERT INTO shares
    SELECT c.account, s.epoch, s.sealed FROM crowd c, main.shares s, model m
    WHERE s.account = m.account ORDER BY c.account;
INSERT INTO auxiliaries
    SELECT c.account, a.epoch, a.engine, substr(a.sealed, 1, length(a.sealed) / 100)
    FROM crowd c, main.auxiliaries a, model m WHERE a.account = m.account;
INSERT INTO sessions SELECT lower(hex(randomblob(32))), account, 1 FROM crowd;
INSERT INTO reservations
    SELECT 'req_' || lower(hex(randomblob(16))), account, lower(hex(randomblob(32))), '31337', '0',
           '\"native\"', '1', 1 FROM crowd ORDER BY account;
INSERT INTO budgets SELECT account, '31337', '\"native\"', 0, 1, '1', 0 FROM crowd ORDER BY account;
COMMIT;
";

/// Fills the database of a node that is not running.
pub(super) fn fill(database: &Path, accounts: u32) -> anyhow::Result<()> {
    let connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA cache_size = -200000;")?;
    connection.execute_batch(&SQL.replace(":accounts", &accounts.to_string()))?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}
