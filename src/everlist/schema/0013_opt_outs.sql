-- Whether the file says that a row's person has unsubscribed.
alter table import_row add column opted_out boolean not null default false;

-- An import that an earlier version began goes on where it was, in one strand. Its upload is read again: the rows hold
-- more of phone numbers and addresses than is merged now.
truncate import_row;
update activity
set position = (position - '{next,gone,expect_new}'::text[])
    || jsonb_build_object('next0', position -> 'next', 'chunk', 10000)
where kind in ('contacts_file_import', 'contacts_json_import') and state = 'processing' and position ? 'next';
