-- The meter's history, the refusal of the consent ledger, and the answers that a repeated request gets again.

-- The number of active contacts after the last change that is folded, which is where the next one begins.
create table active_head (
    account_id uuid not null,
    value bigint not null,
    at timestamptz not null,
    day date not null,                      -- in the time zone of the account, as it was then
    primary key (account_id)
);

-- The days on which the number moved. One between two of them is as the one before it ended.
create table active_day (
    account_id uuid not null,
    day date not null,
    high bigint not null,
    low bigint not null,
    close bigint not null,
    high_at timestamptz,                    -- null where the day was highest as it began
    operation text,                         -- what made it that high
    request_id text,
    activity_id uuid,
    primary key (account_id, day)
);

-- What a month adds to the distinct contacts: of itself, and as the beginning of every later month.
create table active_month (
    account_id uuid not null,
    month date not null,                    -- its first day
    change bigint not null,
    first_this_month bigint not null,
    primary key (account_id, month)
);

-- The ledger is added to and nothing else. Only an erasure may change it: a transaction that has said so by
-- set_config('everlist.erasure', <its id>, true). This decides nothing and writes nothing: it only refuses.
create function refuse_ledger_change() returns trigger language plpgsql as $$
begin
    raise exception 'consent_event is never changed, save by an erasure'
        using errcode = 'integrity_constraint_violation', table = 'consent_event';
end
$$;
create trigger consent_event_is_never_changed before update or delete on consent_event
    for each statement when (coalesce(current_setting('everlist.erasure', true), '') = '')
    execute function refuse_ledger_change();
create trigger consent_event_is_never_emptied before truncate on consent_event
    for each statement execute function refuse_ledger_change();

-- Requests that came with an Idempotency-Key, and what was answered; kept for a day.
create table idempotency_key (
    account_id uuid not null,
    key_hash bytea not null,                -- SHA-256: what a client puts into a key is not kept
    request_hash bytea not null,            -- SHA-256 of method, path and body
    status smallint not null,
    headers jsonb not null,
    body bytea,                             -- null once the person it tells of was erased
    contact_id uuid,                        -- the contact that it tells of
    made_at timestamptz not null,
    primary key (account_id, key_hash)
);
create index idempotency_key_contact on idempotency_key (account_id, contact_id) where contact_id is not null;
create index idempotency_key_made on idempotency_key (account_id, made_at);
