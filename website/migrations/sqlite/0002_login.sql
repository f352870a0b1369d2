-- How people and their programs get in. Of every secret only the SHA-256 is kept.

-- A link that opens one session. Used ones stay: they tell that somebody has come in.
CREATE TABLE login_links (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    manager TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

-- A browser that has come in.
CREATE TABLE sessions (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    manager TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;

-- A program that may use the HTTP API; id is the token's public half.
CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL
) STRICT;
