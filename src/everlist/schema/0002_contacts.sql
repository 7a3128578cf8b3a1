-- Contacts, what they belong to, and the ledgers that every change of them appends to.
--
-- Every table begins its keys with account_id, so that all of an account can live on one node; no
-- foreign key leads to another account or to a plain table, and nothing here is done by a trigger.

create table contact_list (
    account_id uuid not null,
    list_id uuid not null,
    sequence_id bigint generated always as identity,  -- the V2 id
    name text not null,
    description text,
    favorite boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    primary key (account_id, list_id)
);
create unique index contact_list_name_key on contact_list (account_id, lower(name)) where deleted_at is null;
create unique index contact_list_sequence_key on contact_list (account_id, sequence_id);

create table tag (
    account_id uuid not null,
    tag_id uuid not null,
    name text not null,
    tag_source text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (account_id, tag_id)
);
create unique index tag_name_key on tag (account_id, lower(name));

create table custom_field (
    account_id uuid not null,
    custom_field_id uuid not null,
    label text not null,
    name text not null,                     -- the slug made from the label: `cf:<name>` in imports
    type text not null,
    metadata jsonb,
    version integer not null,
    choices jsonb,                          -- [{choice_id, choice_label, display_order, …}], deleted ones included
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (account_id, custom_field_id)
);
create unique index custom_field_name_key on custom_field (account_id, name);

create table contact (
    account_id uuid not null,
    contact_id uuid not null,
    sequence_id bigint generated always as identity,  -- the V2 id
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    deleted_list_ids uuid[],                -- while deleted: the lists it was on, for restore
    create_source text not null check (create_source in ('Contact', 'Account')),
    update_source text check (update_source in ('Contact', 'Account')),
    first_name text,
    last_name text,
    job_title text,
    company_name text,
    birthday_month smallint check (birthday_month between 1 and 12),
    birthday_day smallint check (birthday_day between 1 and 31),
    anniversary date,
    email text,                             -- as shown: lower case
    email_key text collate "C",             -- as compared: lower case, ASCII domain
    email_created_at timestamptz,
    email_updated_at timestamptz,
    permission text check (permission in
        ('explicit', 'implicit', 'not_set', 'pending_confirmation', 'temp_hold', 'unsubscribed')),
    opt_in_source text check (opt_in_source in ('Contact', 'Account')),
    opt_in_at timestamptz,
    opt_out_source text check (opt_out_source in ('Contact', 'Account')),
    opt_out_at timestamptz,
    opt_out_reason text,
    confirmed_at timestamptz,
    last_active_at timestamptz,             -- when it last stopped being active; null if it never stopped
    sms_number text collate "C",            -- E.164 without the plus
    sms_permission text check (sms_permission in ('explicit', 'unsubscribed', 'pending_confirmation', 'not_set')),
    sms_channel jsonb,
    custom_fields jsonb not null default '{}',    -- {custom_field_id: value} or {custom_field_id: [choice_id, …]}
    phone_numbers jsonb not null default '[]',
    street_addresses jsonb not null default '[]',
    notes jsonb not null default '[]',
    primary key (account_id, contact_id),
    check ((email is null) = (email_key is null) and (email is null) = (permission is null)),
    check ((permission is not distinct from 'unsubscribed') = (opt_out_at is not null)),
    check ((opt_out_at is null) = (opt_out_source is null) and (opt_out_at is not null or opt_out_reason is null)),
    check ((sms_channel is null) = (sms_number is null) and (sms_channel is null) = (sms_permission is null)),
    check (deleted_at is not null or deleted_list_ids is null)
);
create unique index contact_email_key on contact (account_id, email_key);
create unique index contact_sms_key on contact (account_id, sms_number) where sms_number is not null;
create unique index contact_sequence_key on contact (account_id, sequence_id);
create index contact_live on contact (account_id, contact_id) where deleted_at is null;
create index contact_deleted on contact (account_id, contact_id) where deleted_at is not null;
create index contact_permission on contact (account_id, permission, contact_id)
    where deleted_at is null and permission not in ('explicit', 'implicit');  -- the rare ones
create index contact_updated on contact (account_id, updated_at, contact_id);
create index contact_opt_out on contact (account_id, opt_out_at, contact_id) where opt_out_at is not null;

-- No foreign keys on these two: the write path locks the list or tag before it adds a row, so they would
-- only check again, at a third of the cost of a bulk import.
create table list_membership (
    account_id uuid not null,
    contact_id uuid not null,
    list_id uuid not null,
    created_at timestamptz not null,
    primary key (account_id, contact_id, list_id)
);
create index list_membership_list on list_membership (account_id, list_id, contact_id);

create table tagging (
    account_id uuid not null,
    contact_id uuid not null,
    tag_id uuid not null,
    created_at timestamptz not null,
    primary key (account_id, contact_id, tag_id)
);
create index tagging_tag on tagging (account_id, tag_id, contact_id);

-- The consent ledger: one row for each change of what we may send to a person, never updated.
create table consent_event (
    account_id uuid not null,
    contact_id uuid not null,
    event_id bigint generated always as identity,
    at timestamptz not null,
    channel text not null check (channel in ('email', 'sms')),
    action text not null check (action in ('created', 'changed', 'readdressed', 'deleted', 'restored')),
    permission_before text,
    permission_after text,
    opted_out_by text,                      -- opt_out_source before the change
    source text not null check (source in ('Contact', 'Account', 'System')),
    reason text,
    details jsonb,                          -- sms only: the channel and how the consent was given
    operation text not null,                -- the act, such as "POST /v3/contacts"
    request_id text,
    token_id uuid,
    activity_id uuid,
    row_number integer,                     -- the row of the activity's input
    primary key (account_id, contact_id, event_id),
    -- Consent rises only by the person: an opt-out that the person made ends by an act of the person.
    constraint consent_only_rises_by_the_person check (
        opted_out_by is distinct from 'Contact'
        or permission_after is null
        or permission_after = 'unsubscribed'
        or source = 'Contact')
);

-- Opt-outs whose address left its contact: what stays is a keyed hash (the key is outside the database).
create table suppression (
    account_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    address_hmac bytea not null,
    reason text not null check (reason in ('unsubscribe')),
    created_at timestamptz not null,
    primary key (account_id, channel, address_hmac)
);

-- Requests to send the one resubscribe mail that a contact may ever get.
create table resubscribe_request (
    account_id uuid not null,
    contact_id uuid not null,
    list_ids uuid[] not null,
    requested_at timestamptz not null,
    primary key (account_id, contact_id)
);

-- Exact counts: each write appends its differences; a background job folds them into `counter`;
-- a read adds what is not folded yet.
create table counter (
    account_id uuid not null,
    name text not null,
    subject uuid not null,                  -- the list or tag; all zeros for the account itself
    value bigint not null,
    primary key (account_id, name, subject)
);
create table counter_delta (
    account_id uuid not null,
    name text not null,
    subject uuid not null,
    delta_id bigint generated always as identity,
    change bigint not null,
    primary key (account_id, name, subject, delta_id)
);

-- The meter's source: how the number of active contacts moved, when, and which operation moved it.
create table active_delta (
    account_id uuid not null,
    delta_id bigint generated always as identity,
    at timestamptz not null,
    change bigint not null,
    first_this_month bigint not null,       -- of those that became active: not active before in that month
    operation text not null,
    request_id text,
    activity_id uuid,
    primary key (account_id, delta_id)
);
