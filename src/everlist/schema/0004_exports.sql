-- The file of an export, in pieces, there from the moment its activity is completed until it expires.
create table export_part (
    account_id uuid not null,
    activity_id uuid not null,
    part integer not null,
    data bytea not null,
    made_at timestamptz not null,
    primary key (account_id, activity_id, part)
);
