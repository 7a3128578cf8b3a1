-- Bulk activities. The row is the job: its state, its progress and its result are one thing.

create table activity (
    account_id uuid not null,
    activity_id uuid not null,
    kind text not null,
    state text not null check (state in
        ('initialized', 'processing', 'completed', 'cancelled', 'failed', 'timed_out')),
    request jsonb not null,                 -- what was asked for: ids, source, options
    source_file_name text,
    position jsonb not null default '{}',   -- where the next chunk begins; commits with the chunk before it
    percent_done smallint not null default 1 check (percent_done between 0 and 100),
    counts jsonb not null default '{}',     -- the counters of `status`
    errors text[] not null default '{}',
    created_at timestamptz not null,
    updated_at timestamptz not null,
    started_at timestamptz,
    completed_at timestamptz,
    cancel_requested_at timestamptz,
    run_by uuid,                            -- the worker that may write this row while it is processing
    operation text not null,
    request_id text,
    token_id uuid,
    primary key (account_id, activity_id)
);
create index activity_unfinished on activity (account_id, activity_id) where state in ('initialized', 'processing');

-- One row for each account that has work, so that a claim is one statement on one small plain table.
create table lane (
    account_id uuid primary key,
    ready_at timestamptz not null,          -- the account that has waited longest comes first
    claimed_by uuid,
    beat_at timestamptz                     -- a claim whose worker has not been heard of for a while is free
);

-- What an activity changed, chunk by chunk, as it was before: kept for undo, for a set time.
create table before_image (
    account_id uuid not null,
    activity_id uuid not null,
    chunk bigint generated always as identity,
    created uuid[] not null,                -- contacts that did not exist
    changed jsonb not null,                 -- [{contact_id, …what the activity may have changed of it}]
    made_at timestamptz not null,
    primary key (account_id, activity_id, chunk)
);

-- The file or body of an import as it was uploaded, in pieces; gone soon after the import has ended.
create table upload_part (
    account_id uuid not null,
    activity_id uuid not null,
    part integer not null,
    data bytea not null,
    made_at timestamptz not null,
    primary key (account_id, activity_id, part)
);

-- The valid rows of an import, on their way into the contacts. Not logged: after a crash of PostgreSQL the
-- table is empty and the import reads its upload again.
create unlogged table import_row (
    account_id uuid not null,
    activity_id uuid not null,
    row_number integer not null,            -- counts the rows after the header from 1
    line_number integer not null,           -- the line of the file where the row begins
    contact_id uuid not null,               -- the id it takes if the contact is new
    email text,
    email_key text collate "C",
    sms_number text collate "C",
    sms_channel jsonb,                      -- a whole model.SmsChannel
    first_name text,
    last_name text,
    job_title text,
    company_name text,
    birthday_month smallint,
    birthday_day smallint,
    anniversary date,
    custom_fields jsonb,                    -- what is null was not in the file, or empty there
    phone_numbers jsonb,                    -- what the file says of each: kind, phone_number
    street_addresses jsonb,                 -- what the file says of each: kind and its parts
    problem text,                           -- why the row is rejected; email is then what stood there
    correctable boolean not null default false,
    superseded_by integer,                  -- the line of a later row with the same address
    primary key (account_id, activity_id, row_number)
);

-- What became of each row of an import, a chunk of rows in one row.
create table import_outcome (
    account_id uuid not null,
    activity_id uuid not null,
    first_row integer not null,
    outcomes text not null,                 -- one letter a row: c u n h r, as core.imports.merge.OUTCOMES says
    line_numbers integer[] not null,
    contact_ids uuid[] not null,            -- null where the row touched no contact
    primary key (account_id, activity_id, first_row)
);

-- Why a row was not simply taken: the rejected, the held back, and those that a later row supersedes.
create table import_report (
    account_id uuid not null,
    activity_id uuid not null,
    row_number integer not null,
    reason text not null,
    email text,
    primary key (account_id, activity_id, row_number)
);
