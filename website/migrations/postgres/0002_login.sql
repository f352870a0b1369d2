-- How people and their programs get in. Of every secret only the SHA-256 is kept.

-- A link that opens one session. Used ones stay: they tell that somebody has come in.
CREATE TABLE login_links (
    hash BYTEA PRIMARY KEY CHECK (length(hash) = 32),
    manager TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

-- A browser that has come in.
CREATE TABLE sessions (
    hash BYTEA PRIMARY KEY CHECK (length(hash) = 32),
    manager TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

-- A program that may use the HTTP API; id is the token's public half.
CREATE TABLE api_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    created_at BIGINT NOT NULL
);
