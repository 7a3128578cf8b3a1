-- Accounts and the tokens that open them. Both are small plain tables, never distributed.

create table account (
    account_id uuid primary key,
    name text not null check (name <> '' and length(name) <= 255),
    time_zone text not null default 'UTC',  -- IANA name; months of the meter begin at its midnight
    created_at timestamptz not null
);
create unique index account_name_key on account (lower(name));

create table api_token (
    token_hash bytea primary key,           -- SHA-256 of the bearer token; the token itself is never kept
    token_id uuid not null unique,
    account_id uuid not null references account,
    name text not null,
    scopes text[] not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);
create index api_token_account on api_token (account_id, created_at);
