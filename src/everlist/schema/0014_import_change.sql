-- What each row of an import becomes: worked out once for a chunk of rows, then written table by table.
create unlogged table import_change (
    account_id uuid not null,
    activity_id uuid not null,
    row_number integer not null,
    -- The contact that the row is about, or the id of the one that it makes.
    contact_id uuid not null,
    existed boolean not null,
    -- Why the whole row is refused, or its SMS number.
    refused text,
    number_problem text,
    -- The line of the row that counts in place of this one.
    superseded_by integer,
    -- The person unsubscribed, or the address is suppressed: no list, and not brought back.
    held_back boolean not null,
    suppressed boolean not null,
    new_values boolean not null,
    gets_number boolean not null,
    -- What the contact was, as far as counters and the ledger need it; permission also of a new contact.
    was_live boolean not null,
    had_number boolean not null,
    permission text,
    first_this_month boolean not null,
    -- What the contact has after it, where that changes; null for new contacts.
    phone_numbers jsonb,
    street_addresses jsonb,
    lists_joined uuid[] not null,
    -- The other lists and the tags of a contact of which these may count another number now.
    lists_kept uuid[] not null,
    tags_kept uuid[] not null,
    outcome text not null generated always as (
        case
            when refused is not null then 'r'
            when superseded_by is not null then 'n'
            when held_back then 'h'
            when not existed then 'c'
            when new_values or gets_number or not was_live or lists_joined <> '{}' then 'u'
            else 'n'
        end) stored,
    writes boolean not null generated always as (
        refused is null and superseded_by is null and case
            when held_back then (new_values or gets_number) and not suppressed
            else new_values or gets_number or not was_live or lists_joined <> '{}'
        end) stored,
    primary key (account_id, activity_id, row_number)
);
-- Keep no statistics of account_id: if autovacuum analyzed the table in the middle of an import, the planner would take the
-- other accounts for empty.
alter table import_change alter column account_id set statistics 0;
