-- What each party of an account said last, under its own signature.
CREATE TABLE statements (
    account   TEXT NOT NULL REFERENCES accounts,
    party     TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    statement TEXT NOT NULL,
    PRIMARY KEY (account, party)
) STRICT, WITHOUT ROWID;
