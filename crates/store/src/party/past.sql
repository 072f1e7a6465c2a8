-- Charters that were in force here before, by version: an epoch has several where another engine was set.
ALTER TABLE epochs RENAME TO epochs_alone;
CREATE TABLE epochs (
    account TEXT NOT NULL,
    version INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    charter TEXT NOT NULL,
    ended   INTEGER NOT NULL,
    PRIMARY KEY (account, version)
) STRICT, WITHOUT ROWID;
INSERT INTO epochs SELECT account, json_extract(charter, '$.document.version'), epoch, charter, ended FROM epochs_alone;
DROP TABLE epochs_alone;
