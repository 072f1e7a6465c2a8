-- Certificates as they were issued, byte for byte: a chain for each account, in which nothing changes.
CREATE TABLE certificates (
    account     TEXT NOT NULL REFERENCES accounts,
    number      INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    issued_at   INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER certificates_stay BEFORE UPDATE ON certificates
    BEGIN SELECT raise(ABORT, 'certificates never change'); END;
CREATE TRIGGER certificates_remain BEFORE DELETE ON certificates
    BEGIN SELECT raise(ABORT, 'certificates never go'); END;
