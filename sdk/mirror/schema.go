package mirror

// applicationID stands in the header of a mirror's file: "Mirr" in ASCII.
const applicationID = 0x4d697272

// The tables of the lists. They have the same columns.
const (
	tableAccount     = "account"
	tableBeneficiary = "beneficiary"
	tableMovement    = "movement"
)

// schema makes the tables. What was released is frozen; changes are new steps.
//
// Rows lie in the order in which they are served: the stamp, in microseconds
// since 1970, is the table's own key. A changed transaction moves to its end.
var schema = []string{`
CREATE TABLE account (
	stamp   INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	version INTEGER NOT NULL,
	body    BLOB NOT NULL
);
CREATE TABLE beneficiary (
	stamp   INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	version INTEGER NOT NULL,
	body    BLOB NOT NULL
);
CREATE TABLE movement (
	stamp   INTEGER PRIMARY KEY, -- updatedAt as it is served
	id      TEXT NOT NULL UNIQUE,
	version INTEGER NOT NULL,    -- updatedAt as the provider says it, 0 when it has none
	body    BLOB NOT NULL
);
CREATE TABLE balance (
	account_id TEXT PRIMARY KEY,
	at         INTEGER NOT NULL, -- as it is served
	version    INTEGER NOT NULL, -- as the provider says it, 0 when it has none
	body       BLOB NOT NULL
) WITHOUT ROWID;

-- Where each source goes on.
CREATE TABLE source (
	name     TEXT PRIMARY KEY,
	position TEXT NOT NULL,
	pulls    INTEGER NOT NULL,
	rows     INTEGER NOT NULL
) WITHOUT ROWID;

-- What the full scans of a source have seen, and how often in a row they have not.
CREATE TABLE sighting (
	source TEXT NOT NULL,
	list   TEXT NOT NULL,
	id     TEXT NOT NULL,
	scan   INTEGER NOT NULL,
	missed INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (source, list, id)
) WITHOUT ROWID;

-- Rows that the contract does not allow.
CREATE TABLE rejection (
	list   TEXT NOT NULL,
	id     TEXT NOT NULL,
	body   TEXT NOT NULL,
	reason TEXT NOT NULL,
	source TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (list, id, body)
) WITHOUT ROWID;

-- Webhooks as they came.
CREATE TABLE delivery (
	number   INTEGER PRIMARY KEY AUTOINCREMENT,
	inbox    TEXT NOT NULL,
	received INTEGER NOT NULL,
	header   TEXT NOT NULL,
	body     BLOB NOT NULL,
	due      INTEGER,            -- when to read it, NULL when it was read
	tries    INTEGER NOT NULL DEFAULT 0,
	reason   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_due ON delivery (inbox, due) WHERE due IS NOT NULL;

-- Files that were read, and those that could not be.
CREATE TABLE file (
	source TEXT NOT NULL,
	digest TEXT NOT NULL,
	name   TEXT NOT NULL,
	at     INTEGER NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (source, digest)
) WITHOUT ROWID;

-- One row: when a transaction last changed its place in the list.
CREATE TABLE life (moved_at INTEGER NOT NULL);
INSERT INTO life VALUES (0);
`}
