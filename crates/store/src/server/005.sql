-- From which address of its account a request pays. Each address has its own nonces.
ALTER TABLE requests ADD COLUMN path TEXT NOT NULL DEFAULT 'm';
DROP INDEX requests_by_nonce;
-- Whatever is approved or further has its nonce for itself until the chain has settled it.
CREATE UNIQUE INDEX requests_by_nonce ON requests (account, path, chain_id, nonce)
    WHERE status IN ('approved', 'signed', 'submitted', 'mined');
DROP INDEX requests_in_turn;
CREATE INDEX requests_in_turn ON requests (account, path, chain_id, nonce);
