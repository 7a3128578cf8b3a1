-- Mail that Everlist sends itself: what it confirms, the outbox, and what an account says about its sender.

alter table account
    add column confirmed_opt_in boolean not null default false,
    add column sender_name text check (sender_name <> '' and length(sender_name) <= 100),
    add column sender_email text,
    add column postal_address text check (postal_address <> '' and length(postal_address) <= 500),
    add constraint account_confirms_by_mail check (not confirmed_opt_in or sender_email is not null);

-- A question put to a person by mail. What has been answered stays, as the proof of the consent; it holds no
-- address and no token, only their hashes. At most one of each kind is open for a contact.
create table confirmation (
    account_id uuid not null,
    contact_id uuid not null,
    confirmation_id uuid not null,
    kind text not null check (kind in ('sign_up', 'resubscribe')),
    token_hash bytea not null,              -- SHA-256 of the link's token, which has 256 random bits
    address_hmac bytea not null,            -- of the address that was asked; keyed as in suppression
    list_ids uuid[] not null,               -- resubscribe: the lists that the person comes back to
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    operation text not null,                -- the act that asked, such as "POST /v3/contacts/sign_up_form"
    request_id text,
    token_id uuid,
    message_id text not null,
    sent_at timestamptz,                    -- when the mail server took it
    replaced_at timestamptz,                -- a newer question took its place, or the person opted out
    confirmed_at timestamptz,
    refused_at timestamptz,
    answer_request_id text,                 -- the request by which the person answered
    primary key (account_id, contact_id, confirmation_id)
);
create unique index confirmation_token_key on confirmation (account_id, token_hash);
create unique index confirmation_open_key on confirmation (account_id, contact_id, kind)
    where replaced_at is null and confirmed_at is null and refused_at is null;
create index confirmation_address on confirmation (account_id, address_hmac, asked_at);

-- The outbox: mail that waits. A row is deleted when the mail server has taken its mail; of a mail that is
-- given up, the row stays for a while without address and token.
create table mail (
    account_id uuid not null,
    mail_id uuid not null,
    contact_id uuid not null,
    confirmation_id uuid not null,
    state text not null check (state in ('waiting', 'sending', 'dead')),
    address text,
    link_token text,
    queued_at timestamptz not null,
    attempts integer not null default 0,
    last_error text,                        -- the kind of error or the server's code, never its text
    primary key (account_id, mail_id),
    check ((state = 'dead') = (address is null) and (address is null) = (link_token is null))
);
create index mail_contact on mail (account_id, contact_id);

-- One row for each mail that waits, so that a claim is one statement on one small plain table, never
-- distributed. It says nothing about whom.
create table mail_due (
    account_id uuid not null,
    mail_id uuid not null,
    due_at timestamptz not null,            -- a claim moves it on by the lease: a killed worker's mail comes up again
    claimed_by uuid,
    primary key (account_id, mail_id)
);
create index mail_due_next on mail_due (due_at);

-- How many sign-ups that lead to a mail came from one source within an hour; the source is a keyed hash.
create table sign_up_count (
    account_id uuid not null,
    source_hmac bytea not null,
    hour timestamptz not null,
    sign_ups integer not null,
    primary key (account_id, source_hmac, hour)
);
