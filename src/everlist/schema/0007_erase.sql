-- Erasing: what stays of a person is an entry in `suppression`, a receipt, and the ledger without the person.

-- An address may be remembered for both reasons; each is an entry of its own.
alter table suppression
    drop constraint suppression_reason_check,
    drop constraint suppression_pkey,
    add column suppression_id uuid not null default gen_random_uuid(),
    add column key_version smallint not null default 1,
    add constraint suppression_reason_check check (reason in ('unsubscribe', 'erasure')),
    add primary key (account_id, channel, address_hmac, reason);
alter table suppression alter column suppression_id drop default;
create unique index suppression_id_key on suppression (account_id, suppression_id);

-- Every erasure that was taken back, and why.
create table suppression_removal (
    account_id uuid not null,
    suppression_id uuid not null,
    channel text not null,
    address_hmac bytea not null,
    key_version smallint not null,
    removed_at timestamptz not null,
    why text not null,
    operation text not null,
    request_id text,
    token_id uuid,
    primary key (account_id, suppression_id)
);

-- Every person that was erased. The receipt is a JWS that says what was removed from where.
create table erasure (
    account_id uuid not null,
    erasure_id uuid not null,
    contact_id uuid,                        -- null for an address that no contact had
    erased_at timestamptz not null,
    reason text not null,
    activity_id uuid,
    receipt text not null,
    primary key (account_id, erasure_id)
);
create index erasure_contact on erasure (account_id, contact_id);
