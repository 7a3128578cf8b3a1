-- The order in which an account's activities run, drawn while its lane is held. The ids do not tell it: an import has
-- its id from the beginning of its upload.
alter table activity add column queued bigint;

update activity a set queued = o.place
from (
    select account_id, activity_id, row_number() over (order by state = 'processing' desc, activity_id) as place
    from activity
) o
where a.account_id = o.account_id and a.activity_id = o.activity_id;

alter table activity alter column queued set not null;
alter table activity alter column queued add generated always as identity;
select setval(pg_get_serial_sequence('activity', 'queued'), count(*) + 1, false) from activity;

drop index activity_unfinished;
create index activity_unfinished on activity (account_id, queued) where state in ('initialized', 'processing');
