CREATE TABLE tokens (
    hash       BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;

CREATE TABLE parties (
    identity TEXT PRIMARY KEY,
    card     TEXT NOT NULL,
    seen_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX parties_by_time ON parties (seen_at);

CREATE TABLE accounts (
    account    TEXT PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('creating', 'active', 'failed')),
    proposal   TEXT NOT NULL,
    charter    TEXT,
    reason     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((state = 'active') = (charter IS NOT NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
) STRICT;
CREATE INDEX accounts_by_state ON accounts (state, account);

CREATE TABLE requests (
    number             INTEGER PRIMARY KEY AUTOINCREMENT,
    request            TEXT NOT NULL UNIQUE,
    account            TEXT NOT NULL REFERENCES accounts,
    chain_id           TEXT NOT NULL,
    nonce              INTEGER NOT NULL,
    chain_nonce        INTEGER NOT NULL,
    intent             TEXT NOT NULL,
    plan               TEXT NOT NULL,
    approvals          TEXT NOT NULL DEFAULT '[]',
    status             TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'approved', 'signed', 'submitted', 'mined', 'final', 'reverted', 'refused', 'expired')),
    attempt            INTEGER NOT NULL DEFAULT 0,
    signers            TEXT NOT NULL DEFAULT '[]',
    reason             TEXT,
    signed_transaction BLOB,
    transaction_hash   BLOB,
    block              INTEGER,
    held_until         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    CHECK (signed_transaction IS NOT NULL OR status IN ('pending', 'approved', 'refused', 'expired')),
    CHECK (signed_transaction IS NULL OR status NOT IN ('pending', 'approved', 'expired')),
    CHECK ((signed_transaction IS NULL) = (transaction_hash IS NULL))
) STRICT;
CREATE INDEX requests_by_account ON requests (account, number);
CREATE INDEX requests_open ON requests (account, expires_at)
    WHERE status IN ('pending', 'approved', 'signed', 'submitted', 'mined');
CREATE INDEX requests_by_status ON requests (status, number)
    WHERE status IN ('pending', 'approved', 'signed', 'submitted', 'mined');
-- Whatever is approved or further has its nonce for itself until the chain has settled it.
CREATE UNIQUE INDEX requests_by_nonce ON requests (account, chain_id, nonce)
    WHERE status IN ('approved', 'signed', 'submitted', 'mined');
CREATE INDEX requests_in_turn ON requests (account, chain_id, nonce);
CREATE INDEX requests_settling ON requests (chain_id, updated_at)
    WHERE status IN ('signed', 'submitted', 'mined');

-- A chain of leaves; nothing in it ever changes.
CREATE TABLE receipts (
    number  INTEGER PRIMARY KEY,
    request TEXT NOT NULL,
    status  TEXT NOT NULL,
    digest  BLOB NOT NULL,
    account TEXT NOT NULL,
    receipt TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_by_request ON receipts (request, number);
CREATE INDEX receipts_by_account ON receipts (account, number);
CREATE TRIGGER receipts_stay BEFORE UPDATE ON receipts BEGIN SELECT raise(ABORT, 'receipts never change'); END;
CREATE TRIGGER receipts_remain BEFORE DELETE ON receipts BEGIN SELECT raise(ABORT, 'receipts never go'); END;
