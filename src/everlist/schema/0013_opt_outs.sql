-- Whether the file says that a row's person has unsubscribed.
alter table import_row add column opted_out boolean not null default false;
