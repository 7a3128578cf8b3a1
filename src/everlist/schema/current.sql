-- The schema that the migrations make, as pg_dump tells it. `make schema` writes this file; nothing runs it.

CREATE FUNCTION refuse_ledger_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'consent_event is never changed, save by an erasure'
        using errcode = 'integrity_constraint_violation', table = 'consent_event';
end
$$;

CREATE TABLE account (
    account_id uuid NOT NULL,
    name text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    confirmed_opt_in boolean DEFAULT false NOT NULL,
    sender_name text,
    sender_email text,
    postal_address text,
    CONSTRAINT account_confirms_by_mail CHECK (((NOT confirmed_opt_in) OR (sender_email IS NOT NULL))),
    CONSTRAINT account_name_check CHECK (((name <> ''::text) AND (length(name) <= 255))),
    CONSTRAINT account_postal_address_check CHECK (((postal_address <> ''::text) AND (length(postal_address) <= 500))),
    CONSTRAINT account_sender_name_check CHECK (((sender_name <> ''::text) AND (length(sender_name) <= 100)))
);

CREATE TABLE active_day (
    account_id uuid NOT NULL,
    day date NOT NULL,
    high bigint NOT NULL,
    low bigint NOT NULL,
    close bigint NOT NULL,
    high_at timestamp with time zone,
    operation text,
    request_id text,
    activity_id uuid
);

CREATE TABLE active_delta (
    account_id uuid NOT NULL,
    delta_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    change bigint NOT NULL,
    first_this_month bigint NOT NULL,
    operation text NOT NULL,
    request_id text,
    activity_id uuid
);

ALTER TABLE active_delta ALTER COLUMN delta_id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE active_head (
    account_id uuid NOT NULL,
    value bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    day date NOT NULL
);

CREATE TABLE active_month (
    account_id uuid NOT NULL,
    month date NOT NULL,
    change bigint NOT NULL,
    first_this_month bigint NOT NULL
);

CREATE TABLE activity (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    request jsonb NOT NULL,
    source_file_name text,
    "position" jsonb DEFAULT '{}'::jsonb NOT NULL,
    percent_done smallint DEFAULT 1 NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    errors text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    run_by uuid,
    operation text NOT NULL,
    request_id text,
    token_id uuid,
    queued bigint NOT NULL,
    CONSTRAINT activity_percent_done_check CHECK (((percent_done >= 0) AND (percent_done <= 100))),
    CONSTRAINT activity_state_check CHECK ((state = ANY (ARRAY['initialized'::text, 'processing'::text, 'completed'::text, 'cancelled'::text, 'failed'::text, 'timed_out'::text])))
);

ALTER TABLE activity ALTER COLUMN queued ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE api_token (
    token_hash bytea NOT NULL,
    token_id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE before_image (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    chunk bigint NOT NULL,
    created uuid[] NOT NULL,
    changed jsonb NOT NULL,
    made_at timestamp with time zone NOT NULL,
    definitions jsonb,
    addresses boolean DEFAULT true NOT NULL
);

ALTER TABLE before_image ALTER COLUMN chunk ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE confirmation (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    confirmation_id uuid NOT NULL,
    kind text NOT NULL,
    token_hash bytea NOT NULL,
    address_hmac bytea NOT NULL,
    list_ids uuid[] NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    operation text NOT NULL,
    request_id text,
    token_id uuid,
    message_id text NOT NULL,
    sent_at timestamp with time zone,
    replaced_at timestamp with time zone,
    confirmed_at timestamp with time zone,
    refused_at timestamp with time zone,
    answer_request_id text,
    CONSTRAINT confirmation_kind_check CHECK ((kind = ANY (ARRAY['sign_up'::text, 'resubscribe'::text])))
);

CREATE TABLE consent_event (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    event_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    channel text NOT NULL,
    action text NOT NULL,
    permission_before text,
    permission_after text,
    opted_out_by text,
    source text NOT NULL,
    reason text,
    details jsonb,
    operation text NOT NULL,
    request_id text,
    token_id uuid,
    activity_id uuid,
    row_number integer,
    CONSTRAINT consent_event_action_check CHECK ((action = ANY (ARRAY['created'::text, 'changed'::text, 'readdressed'::text, 'deleted'::text, 'restored'::text]))),
    CONSTRAINT consent_event_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text]))),
    CONSTRAINT consent_event_source_check CHECK ((source = ANY (ARRAY['Contact'::text, 'Account'::text, 'System'::text]))),
    CONSTRAINT consent_only_rises_by_the_person CHECK (((opted_out_by IS DISTINCT FROM 'Contact'::text) OR (permission_after IS NULL) OR (permission_after = 'unsubscribed'::text) OR (source = 'Contact'::text)))
);

ALTER TABLE ONLY consent_event ALTER COLUMN account_id SET (n_distinct=50);
ALTER TABLE consent_event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE contact (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    sequence_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    deleted_list_ids uuid[],
    create_source text NOT NULL,
    update_source text,
    first_name text,
    last_name text,
    job_title text,
    company_name text,
    birthday_month smallint,
    birthday_day smallint,
    anniversary date,
    email text,
    email_key text COLLATE pg_catalog."C",
    email_created_at timestamp with time zone,
    email_updated_at timestamp with time zone,
    permission text,
    opt_in_source text,
    opt_in_at timestamp with time zone,
    opt_out_source text,
    opt_out_at timestamp with time zone,
    opt_out_reason text,
    confirmed_at timestamp with time zone,
    last_active_at timestamp with time zone,
    sms_number text COLLATE pg_catalog."C",
    sms_permission text,
    sms_channel jsonb,
    custom_fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    phone_numbers jsonb DEFAULT '[]'::jsonb NOT NULL,
    street_addresses jsonb DEFAULT '[]'::jsonb NOT NULL,
    notes jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT contact_birthday_day_check CHECK (((birthday_day >= 1) AND (birthday_day <= 31))),
    CONSTRAINT contact_birthday_month_check CHECK (((birthday_month >= 1) AND (birthday_month <= 12))),
    CONSTRAINT contact_check CHECK ((((email IS NULL) = (email_key IS NULL)) AND ((email IS NULL) = (permission IS NULL)))),
    CONSTRAINT contact_check1 CHECK (((NOT (permission IS DISTINCT FROM 'unsubscribed'::text)) = (opt_out_at IS NOT NULL))),
    CONSTRAINT contact_check2 CHECK ((((opt_out_at IS NULL) = (opt_out_source IS NULL)) AND ((opt_out_at IS NOT NULL) OR (opt_out_reason IS NULL)))),
    CONSTRAINT contact_check3 CHECK ((((sms_channel IS NULL) = (sms_number IS NULL)) AND ((sms_channel IS NULL) = (sms_permission IS NULL)))),
    CONSTRAINT contact_check4 CHECK (((deleted_at IS NOT NULL) OR (deleted_list_ids IS NULL))),
    CONSTRAINT contact_create_source_check CHECK ((create_source = ANY (ARRAY['Contact'::text, 'Account'::text]))),
    CONSTRAINT contact_opt_in_source_check CHECK ((opt_in_source = ANY (ARRAY['Contact'::text, 'Account'::text]))),
    CONSTRAINT contact_opt_out_source_check CHECK ((opt_out_source = ANY (ARRAY['Contact'::text, 'Account'::text]))),
    CONSTRAINT contact_permission_check CHECK ((permission = ANY (ARRAY['explicit'::text, 'implicit'::text, 'not_set'::text, 'pending_confirmation'::text, 'temp_hold'::text, 'unsubscribed'::text]))),
    CONSTRAINT contact_sms_permission_check CHECK ((sms_permission = ANY (ARRAY['explicit'::text, 'unsubscribed'::text, 'pending_confirmation'::text, 'not_set'::text]))),
    CONSTRAINT contact_update_source_check CHECK ((update_source = ANY (ARRAY['Contact'::text, 'Account'::text])))
);

ALTER TABLE ONLY contact ALTER COLUMN account_id SET (n_distinct=50);

CREATE TABLE contact_list (
    account_id uuid NOT NULL,
    list_id uuid NOT NULL,
    sequence_id bigint NOT NULL,
    name text NOT NULL,
    description text,
    favorite boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);

ALTER TABLE contact_list ALTER COLUMN sequence_id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE contact ALTER COLUMN sequence_id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE counter (
    account_id uuid NOT NULL,
    name text NOT NULL,
    subject uuid NOT NULL,
    value bigint NOT NULL
);

CREATE TABLE counter_delta (
    account_id uuid NOT NULL,
    name text NOT NULL,
    subject uuid NOT NULL,
    delta_id bigint NOT NULL,
    change bigint NOT NULL
);

ALTER TABLE counter_delta ALTER COLUMN delta_id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE custom_field (
    account_id uuid NOT NULL,
    custom_field_id uuid NOT NULL,
    label text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    metadata jsonb,
    version integer NOT NULL,
    choices jsonb,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE erasure (
    account_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    contact_id uuid,
    erased_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    activity_id uuid,
    receipt text NOT NULL
);

CREATE TABLE export_part (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL,
    made_at timestamp with time zone NOT NULL
);

CREATE TABLE idempotency_key (
    account_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea,
    contact_id uuid,
    made_at timestamp with time zone NOT NULL
);

CREATE UNLOGGED TABLE import_change (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    row_number integer NOT NULL,
    contact_id uuid NOT NULL,
    existed boolean NOT NULL,
    refused text,
    number_problem text,
    superseded_by integer,
    held_back boolean NOT NULL,
    suppressed boolean NOT NULL,
    new_values boolean NOT NULL,
    gets_number boolean NOT NULL,
    was_live boolean NOT NULL,
    had_number boolean NOT NULL,
    permission text,
    first_this_month boolean NOT NULL,
    phone_numbers jsonb,
    street_addresses jsonb,
    lists_joined uuid[] NOT NULL,
    lists_kept uuid[] NOT NULL,
    tags_kept uuid[] NOT NULL,
    outcome text GENERATED ALWAYS AS (
CASE
    WHEN (refused IS NOT NULL) THEN 'r'::text
    WHEN (superseded_by IS NOT NULL) THEN 'n'::text
    WHEN held_back THEN 'h'::text
    WHEN (NOT existed) THEN 'c'::text
    WHEN (new_values OR gets_number OR (NOT was_live) OR (lists_joined <> '{}'::uuid[])) THEN 'u'::text
    ELSE 'n'::text
END) STORED NOT NULL,
    writes boolean GENERATED ALWAYS AS (((refused IS NULL) AND (superseded_by IS NULL) AND
CASE
    WHEN held_back THEN ((new_values OR gets_number) AND (NOT suppressed))
    ELSE (new_values OR gets_number OR (NOT was_live) OR (lists_joined <> '{}'::uuid[]))
END)) STORED NOT NULL
);

ALTER TABLE ONLY import_change ALTER COLUMN account_id SET STATISTICS 0;

CREATE TABLE import_outcome (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    first_row integer NOT NULL,
    outcomes text NOT NULL,
    line_numbers integer[] NOT NULL,
    contact_ids uuid[] NOT NULL
);

CREATE TABLE import_report (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    row_number integer NOT NULL,
    reason text NOT NULL,
    email text,
    keys text[] NOT NULL
);

CREATE UNLOGGED TABLE import_row (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    row_number integer NOT NULL,
    line_number integer NOT NULL,
    contact_id uuid NOT NULL,
    email text,
    email_key text COLLATE pg_catalog."C",
    sms_number text COLLATE pg_catalog."C",
    sms_channel jsonb,
    first_name text,
    last_name text,
    job_title text,
    company_name text,
    birthday_month smallint,
    birthday_day smallint,
    anniversary date,
    custom_fields jsonb,
    phone_numbers jsonb,
    street_addresses jsonb,
    problem text,
    correctable boolean DEFAULT false NOT NULL,
    superseded_by integer,
    keys text[],
    opted_out boolean DEFAULT false NOT NULL
);

ALTER TABLE ONLY import_row ALTER COLUMN account_id SET (n_distinct=50);
ALTER TABLE ONLY import_row ALTER COLUMN activity_id SET (n_distinct=50);

CREATE TABLE lane (
    account_id uuid NOT NULL,
    ready_at timestamp with time zone NOT NULL,
    claimed_by uuid,
    beat_at timestamp with time zone
);

CREATE TABLE list_membership (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    list_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY list_membership ALTER COLUMN account_id SET (n_distinct=50);

CREATE TABLE mail (
    account_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    confirmation_id uuid NOT NULL,
    state text NOT NULL,
    address text,
    link_token text,
    queued_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    last_error text,
    CONSTRAINT mail_check CHECK ((((state = 'dead'::text) = (address IS NULL)) AND ((address IS NULL) = (link_token IS NULL)))),
    CONSTRAINT mail_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sending'::text, 'dead'::text])))
);

CREATE TABLE mail_due (
    account_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    due_at timestamp with time zone NOT NULL,
    claimed_by uuid
);

CREATE TABLE resubscribe_request (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    list_ids uuid[] NOT NULL,
    requested_at timestamp with time zone NOT NULL
);

CREATE TABLE schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE sign_up_count (
    account_id uuid NOT NULL,
    source_hmac bytea NOT NULL,
    hour timestamp with time zone NOT NULL,
    sign_ups integer NOT NULL
);

CREATE TABLE suppression (
    account_id uuid NOT NULL,
    channel text NOT NULL,
    address_hmac bytea NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    suppression_id uuid NOT NULL,
    key_version smallint DEFAULT 1 NOT NULL,
    CONSTRAINT suppression_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text]))),
    CONSTRAINT suppression_reason_check CHECK ((reason = ANY (ARRAY['unsubscribe'::text, 'erasure'::text])))
);

CREATE TABLE suppression_removal (
    account_id uuid NOT NULL,
    suppression_id uuid NOT NULL,
    channel text NOT NULL,
    address_hmac bytea NOT NULL,
    key_version smallint NOT NULL,
    removed_at timestamp with time zone NOT NULL,
    why text NOT NULL,
    operation text NOT NULL,
    request_id text,
    token_id uuid
);

CREATE TABLE tag (
    account_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    name text NOT NULL,
    tag_source text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE tagging (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY tagging ALTER COLUMN account_id SET (n_distinct=50);

CREATE TABLE upload_part (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL,
    made_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY upload_part ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE ONLY account ADD CONSTRAINT account_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY active_day ADD CONSTRAINT active_day_pkey PRIMARY KEY (account_id, day);
ALTER TABLE ONLY active_delta ADD CONSTRAINT active_delta_pkey PRIMARY KEY (account_id, delta_id);
ALTER TABLE ONLY active_head ADD CONSTRAINT active_head_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY active_month ADD CONSTRAINT active_month_pkey PRIMARY KEY (account_id, month);
ALTER TABLE ONLY activity ADD CONSTRAINT activity_pkey PRIMARY KEY (account_id, activity_id);
ALTER TABLE ONLY api_token ADD CONSTRAINT api_token_pkey PRIMARY KEY (token_hash);
ALTER TABLE ONLY api_token ADD CONSTRAINT api_token_token_id_key UNIQUE (token_id);
ALTER TABLE ONLY before_image ADD CONSTRAINT before_image_pkey PRIMARY KEY (account_id, activity_id, chunk);
ALTER TABLE ONLY confirmation ADD CONSTRAINT confirmation_pkey PRIMARY KEY (account_id, contact_id, confirmation_id);
ALTER TABLE ONLY consent_event ADD CONSTRAINT consent_event_pkey PRIMARY KEY (account_id, contact_id, event_id);
ALTER TABLE ONLY contact_list ADD CONSTRAINT contact_list_pkey PRIMARY KEY (account_id, list_id);
ALTER TABLE ONLY contact ADD CONSTRAINT contact_pkey PRIMARY KEY (account_id, contact_id);
ALTER TABLE ONLY counter_delta ADD CONSTRAINT counter_delta_pkey PRIMARY KEY (account_id, name, subject, delta_id);
ALTER TABLE ONLY counter ADD CONSTRAINT counter_pkey PRIMARY KEY (account_id, name, subject);
ALTER TABLE ONLY custom_field ADD CONSTRAINT custom_field_pkey PRIMARY KEY (account_id, custom_field_id);
ALTER TABLE ONLY erasure ADD CONSTRAINT erasure_pkey PRIMARY KEY (account_id, erasure_id);
ALTER TABLE ONLY export_part ADD CONSTRAINT export_part_pkey PRIMARY KEY (account_id, activity_id, part);
ALTER TABLE ONLY idempotency_key ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (account_id, key_hash);
ALTER TABLE ONLY import_change ADD CONSTRAINT import_change_pkey PRIMARY KEY (account_id, activity_id, row_number);
ALTER TABLE ONLY import_outcome ADD CONSTRAINT import_outcome_pkey PRIMARY KEY (account_id, activity_id, first_row);
ALTER TABLE ONLY import_report ADD CONSTRAINT import_report_pkey PRIMARY KEY (account_id, activity_id, row_number);
ALTER TABLE ONLY import_row ADD CONSTRAINT import_row_pkey PRIMARY KEY (account_id, activity_id, row_number);
ALTER TABLE ONLY lane ADD CONSTRAINT lane_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY list_membership ADD CONSTRAINT list_membership_pkey PRIMARY KEY (account_id, contact_id, list_id);
ALTER TABLE ONLY mail_due ADD CONSTRAINT mail_due_pkey PRIMARY KEY (account_id, mail_id);
ALTER TABLE ONLY mail ADD CONSTRAINT mail_pkey PRIMARY KEY (account_id, mail_id);
ALTER TABLE ONLY resubscribe_request ADD CONSTRAINT resubscribe_request_pkey PRIMARY KEY (account_id, contact_id);
ALTER TABLE ONLY schema_migration ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY sign_up_count ADD CONSTRAINT sign_up_count_pkey PRIMARY KEY (account_id, source_hmac, hour);
ALTER TABLE ONLY suppression ADD CONSTRAINT suppression_pkey PRIMARY KEY (account_id, channel, address_hmac, reason);
ALTER TABLE ONLY suppression_removal ADD CONSTRAINT suppression_removal_pkey PRIMARY KEY (account_id, suppression_id);
ALTER TABLE ONLY tag ADD CONSTRAINT tag_pkey PRIMARY KEY (account_id, tag_id);
ALTER TABLE ONLY tagging ADD CONSTRAINT tagging_pkey PRIMARY KEY (account_id, contact_id, tag_id);
ALTER TABLE ONLY upload_part ADD CONSTRAINT upload_part_pkey PRIMARY KEY (account_id, activity_id, part);
CREATE UNIQUE INDEX account_name_key ON account USING btree (lower(name));
CREATE INDEX activity_unfinished ON activity USING btree (account_id, queued) WHERE (state = ANY (ARRAY['initialized'::text, 'processing'::text]));
CREATE INDEX api_token_account ON api_token USING btree (account_id, created_at);
CREATE INDEX confirmation_address ON confirmation USING btree (account_id, address_hmac, asked_at);
CREATE UNIQUE INDEX confirmation_open_key ON confirmation USING btree (account_id, contact_id, kind) WHERE ((replaced_at IS NULL) AND (confirmed_at IS NULL) AND (refused_at IS NULL));
CREATE UNIQUE INDEX confirmation_token_key ON confirmation USING btree (account_id, token_hash);
CREATE INDEX consent_event_details ON consent_event USING btree (account_id, contact_id) WHERE (details IS NOT NULL);
CREATE INDEX contact_deleted ON contact USING btree (account_id, contact_id) WHERE (deleted_at IS NOT NULL);
CREATE UNIQUE INDEX contact_email_key ON contact USING btree (account_id, email_key);
CREATE UNIQUE INDEX contact_list_name_key ON contact_list USING btree (account_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX contact_list_sequence_key ON contact_list USING btree (account_id, sequence_id);
CREATE INDEX contact_live ON contact USING btree (account_id, contact_id) WHERE (deleted_at IS NULL);
CREATE INDEX contact_opt_out ON contact USING btree (account_id, opt_out_at, contact_id) WHERE (opt_out_at IS NOT NULL);
CREATE INDEX contact_permission ON contact USING btree (account_id, permission, contact_id) WHERE ((deleted_at IS NULL) AND (permission <> ALL (ARRAY['explicit'::text, 'implicit'::text])));
CREATE UNIQUE INDEX contact_sequence_key ON contact USING btree (account_id, sequence_id);
CREATE UNIQUE INDEX contact_sms_key ON contact USING btree (account_id, sms_number) WHERE (sms_number IS NOT NULL);
CREATE INDEX contact_updated ON contact USING btree (account_id, updated_at, contact_id);
CREATE UNIQUE INDEX custom_field_name_key ON custom_field USING btree (account_id, name);
CREATE INDEX erasure_contact ON erasure USING btree (account_id, contact_id);
CREATE INDEX idempotency_key_contact ON idempotency_key USING btree (account_id, contact_id) WHERE (contact_id IS NOT NULL);
CREATE INDEX idempotency_key_made ON idempotency_key USING btree (account_id, made_at);
CREATE INDEX list_membership_list ON list_membership USING btree (account_id, list_id, contact_id);
CREATE INDEX mail_contact ON mail USING btree (account_id, contact_id);
CREATE INDEX mail_due_next ON mail_due USING btree (due_at);
CREATE UNIQUE INDEX suppression_id_key ON suppression USING btree (account_id, suppression_id);
CREATE UNIQUE INDEX tag_name_key ON tag USING btree (account_id, lower(name));
CREATE INDEX tagging_tag ON tagging USING btree (account_id, tag_id, contact_id);
CREATE TRIGGER consent_event_is_never_changed BEFORE DELETE OR UPDATE ON consent_event FOR EACH STATEMENT WHEN ((COALESCE(current_setting('everlist.erasure'::text, true), ''::text) = ''::text)) EXECUTE FUNCTION refuse_ledger_change();
CREATE TRIGGER consent_event_is_never_emptied BEFORE TRUNCATE ON consent_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();
ALTER TABLE ONLY api_token ADD CONSTRAINT api_token_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(account_id);
