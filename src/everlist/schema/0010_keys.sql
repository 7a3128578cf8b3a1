-- By which keys an address or number in a text is found when its person is erased.

alter table import_row add column keys text[];

alter table import_report add column keys text[] not null default '{}';
update import_report set keys = array[lower(btrim(email))] where email is not null;
alter table import_report alter column keys drop default;

-- Whether a contact of the chunk was given an address or a number, or lost one.
alter table before_image add column addresses boolean not null default true;

create index consent_event_details on consent_event (account_id, contact_id) where details is not null;
