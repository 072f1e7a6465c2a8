-- Charters that were in force before.
CREATE TABLE past_charters (
    account TEXT NOT NULL REFERENCES accounts,
    version INTEGER NOT NULL,
    charter TEXT NOT NULL,
    PRIMARY KEY (account, version)
) STRICT, WITHOUT ROWID;
-- Resharings: one of an account at a time.
CREATE TABLE reshares (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    resharing  TEXT NOT NULL UNIQUE,
    account    TEXT NOT NULL REFERENCES accounts,
    previous   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    document   TEXT NOT NULL,
    consent    TEXT,
    charter    TEXT,
    dealt      TEXT NOT NULL DEFAULT '[]',
    abandoned  TEXT,
    reason     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((state = 'done') = (charter IS NOT NULL)),
    CHECK (state = 'failed' OR abandoned IS NULL)
) STRICT;
CREATE UNIQUE INDEX reshares_running ON reshares (account) WHERE state = 'running';
CREATE INDEX reshares_by_account ON reshares (account, number);
-- Who has not said yet that it is under the new charter, or out of the account by it.
CREATE TABLE reshares_untold (
    identity TEXT NOT NULL,
    number   INTEGER NOT NULL REFERENCES reshares,
    PRIMARY KEY (identity, number)
) STRICT, WITHOUT ROWID;
