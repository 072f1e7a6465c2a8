-- Resharings that this party took part in, or refused, and what it prepared. At most one that may still
-- come into force for each charter: a party helps no two successors of one charter.
CREATE TABLE reshares (
    number     INTEGER PRIMARY KEY,
    resharing  TEXT NOT NULL UNIQUE,
    account    TEXT NOT NULL,
    previous   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'dealt', 'prepared', 'refused', 'abandoned', 'done')),
    holds      INTEGER NOT NULL CHECK (holds IN (0, 1)),
    document   TEXT NOT NULL,
    old        TEXT NOT NULL,
    charter    TEXT,
    companions TEXT,
    share      BLOB,
    auxiliary  BLOB,
    engine     TEXT,
    held_since INTEGER,
    at         INTEGER NOT NULL,
    CHECK ((state = 'prepared') = (share IS NOT NULL)),
    CHECK ((share IS NULL) = (auxiliary IS NULL) AND (share IS NULL) = (engine IS NULL)),
    CHECK (state NOT IN ('prepared', 'dealt') OR charter IS NOT NULL),
    CHECK (state <> 'refused' OR holds = 1)
) STRICT;
CREATE UNIQUE INDEX reshares_open ON reshares (account, previous) WHERE state IN ('running', 'dealt', 'prepared');
CREATE INDEX reshares_by_account ON reshares (account, number);
-- Charters that were in force here before.
CREATE TABLE epochs (
    account TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    charter TEXT NOT NULL,
    ended   INTEGER NOT NULL,
    PRIMARY KEY (account, epoch)
) STRICT, WITHOUT ROWID;
-- Accounts that this party was in and is not any more, with the charter that let it go.
CREATE TABLE left_accounts (
    account TEXT PRIMARY KEY,
    charter TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
