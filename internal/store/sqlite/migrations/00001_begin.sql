-- +goose Up

-- Keys are integers that grow with time, so new rows land at the end of every
-- table. Identifiers of the API are not stored: they are an encoding of the
-- connector, the reference and the type. Instants are text in UTC with nine
-- digits of the second, so that they compare as they should. Amounts are text
-- in decimal digits. Raw holds the bytes as they came.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- The last number given to an event. It is kept apart from the events so that a
-- number is never given twice, not even when the newest events are removed.
CREATE TABLE sequence (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO sequence (name, value) VALUES ('event', 0);

CREATE TABLE connector (
    connector_key       INTEGER PRIMARY KEY AUTOINCREMENT,
    provider            TEXT NOT NULL,
    reference           TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    deleted_at          TEXT,           -- set while the connector's data is being removed
    purged_seq          INTEGER NOT NULL DEFAULT 0, -- how far the removal has come in the log
    endpoint            TEXT NOT NULL,
    api_key             BLOB NOT NULL,  -- sealed, and bound to this connector
    polling_period_ns   INTEGER NOT NULL,
    requests_per_second REAL NOT NULL,
    concurrency         INTEGER NOT NULL,
    look                TEXT            -- JSON: what was seen of the service when it was configured
);
CREATE UNIQUE INDEX connector_name ON connector (name) WHERE deleted_at IS NULL;
CREATE INDEX connector_list ON connector (created_at, connector_key);

CREATE TABLE stream (
    stream_key           INTEGER PRIMARY KEY,
    connector_key        INTEGER NOT NULL REFERENCES connector,
    resource             TEXT NOT NULL,
    period_ns            INTEGER NOT NULL,
    next_due_at          TEXT NOT NULL,
    turn                 INTEGER NOT NULL,
    paused_at            TEXT,
    cursor_version       INTEGER NOT NULL,
    cursor               TEXT NOT NULL,  -- JSON
    caught_up            INTEGER NOT NULL,
    last_poll_at         TEXT,
    last_success_at      TEXT,
    failing_since        TEXT,
    consecutive_failures INTEGER NOT NULL,
    error_code           TEXT,
    error_message        TEXT,
    versions             INTEGER NOT NULL,
    requests             INTEGER NOT NULL,
    open_rejections      INTEGER NOT NULL,
    late_max_ns          INTEGER NOT NULL,
    late_rows            INTEGER NOT NULL,
    findings             TEXT NOT NULL,  -- JSON
    UNIQUE (connector_key, resource)
);

-- An account and a beneficiary are two, also where they carry one reference.
-- id_type is part of the API's identifier of the second of the two; else it is ''.
CREATE TABLE account (
    account_key   INTEGER PRIMARY KEY,
    connector_key INTEGER NOT NULL REFERENCES connector,
    type          TEXT NOT NULL,
    reference     TEXT NOT NULL,
    id_type       TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    version       INTEGER NOT NULL,      -- the newest
    UNIQUE (connector_key, reference, type)
);
CREATE UNIQUE INDEX account_id ON account (connector_key, reference, id_type);
CREATE INDEX account_internal ON account (connector_key, reference) WHERE type = 'INTERNAL';
-- Every index ends with the row's key, so each of these has its list's order.
CREATE INDEX account_list ON account (created_at);
CREATE INDEX account_connector_list ON account (connector_key, created_at);

CREATE TABLE account_version (
    version_key INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES account,
    version     INTEGER NOT NULL,
    name        TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    metadata    TEXT,                    -- JSON
    seen_at     TEXT NOT NULL,
    raw         BLOB NOT NULL,
    UNIQUE (account_key, version)
);

-- A balance names its account by reference, because a service may answer with
-- the balance of an account that it has not listed.
CREATE TABLE balance (
    balance_key     INTEGER PRIMARY KEY,
    connector_key   INTEGER NOT NULL REFERENCES connector,
    account         TEXT NOT NULL,
    id_type         TEXT NOT NULL,       -- as the account's
    asset           TEXT NOT NULL,
    amount          TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    last_updated_at TEXT NOT NULL,
    version         INTEGER NOT NULL,    -- 1, and more where created_at stood still
    newest          INTEGER NOT NULL,    -- 1 for one row of each account and asset
    raw             BLOB NOT NULL
);
CREATE UNIQUE INDEX balance_newest ON balance (connector_key, account, asset, id_type) WHERE newest = 1;
CREATE INDEX balance_list ON balance (connector_key, account, id_type, created_at, balance_key);

-- The payment as its adjustments fold.
CREATE TABLE payment (
    payment_key    INTEGER PRIMARY KEY,
    connector_key  INTEGER NOT NULL REFERENCES connector,
    reference      TEXT NOT NULL,
    id_type        TEXT NOT NULL,        -- the type first seen; part of the API's identifier
    created_at     TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,
    scheme         TEXT NOT NULL,
    asset          TEXT NOT NULL,
    initial_amount TEXT NOT NULL,
    amount         TEXT NOT NULL,
    source         TEXT,
    destination    TEXT,
    metadata       TEXT,                 -- JSON
    UNIQUE (connector_key, reference)
);
-- Every index ends with the row's key, so each of these has its list's order.
CREATE INDEX payment_list ON payment (created_at);
CREATE INDEX payment_connector_list ON payment (connector_key, created_at);
-- What an operator looks for among those that went well.
CREATE INDEX payment_status ON payment (status, created_at) WHERE status <> 'SUCCEEDED';

CREATE TABLE adjustment (
    adjustment_key INTEGER PRIMARY KEY,
    payment_key    INTEGER NOT NULL REFERENCES payment,
    connector_key  INTEGER NOT NULL REFERENCES connector,
    record         TEXT,                 -- the record's reference where it is not the payment's own
    version        INTEGER NOT NULL,     -- among those with the same record, created_at and status
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,
    scheme         TEXT NOT NULL,
    asset          TEXT NOT NULL,
    amount         TEXT NOT NULL,
    source         TEXT,
    destination    TEXT,
    metadata       TEXT,                 -- JSON
    seen_at        TEXT NOT NULL,
    hash           BLOB NOT NULL,        -- the first half of the SHA-256 of raw
    raw            BLOB NOT NULL
);
CREATE INDEX adjustment_payment ON adjustment (payment_key);
-- Where a refund or capture is kept, whatever payment it names today.
CREATE INDEX adjustment_record ON adjustment (connector_key, record) WHERE record IS NOT NULL;

-- What was stored, in the order of storing. The payload is derived from the
-- subject: an adjustment, a version of an account or a balance.
CREATE TABLE event (
    seq             INTEGER PRIMARY KEY,
    kind            INTEGER NOT NULL,    -- 1 account, 2 balance, 3 payment
    connector_key   INTEGER NOT NULL REFERENCES connector,
    subject         INTEGER NOT NULL,
    at              TEXT,                -- balances only; the other subjects know when they were stored
    last_updated_at TEXT                 -- balances only: what the balance had then
);

CREATE TABLE rejection (
    rejection_key INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_key    INTEGER NOT NULL REFERENCES stream,
    reference     TEXT NOT NULL,         -- '' where it can't be read
    hash          BLOB NOT NULL,
    stamped_at    TEXT,
    reason        TEXT NOT NULL,
    raw           BLOB NOT NULL,
    first_seen_at TEXT NOT NULL,
    last_seen_at  TEXT NOT NULL,
    resolved_at   TEXT,
    UNIQUE (stream_key, reference, hash)
);
CREATE INDEX rejection_list ON rejection (stream_key, rejection_key);
CREATE INDEX rejection_open ON rejection (stream_key, rejection_key) WHERE resolved_at IS NULL;

PRAGMA application_id = 1466263922; -- "Weir": tells this file from other programs' databases
