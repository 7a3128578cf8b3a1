-- What the planner shall not believe of accounts, and how uploads are kept.
--
-- The estimate of 0008 holds only while some rows of the sample belong to an account that is not among the most
-- common. Where those are all the rows, as with one account of a million, the planner takes an account that is newer
-- than the statistics for empty, and reads all its contacts for each address it looks up. Without statistics of
-- the column each account counts as a two-hundredth of the table, whoever is in it.
alter table contact
    alter column account_id set statistics 0, alter column account_id reset (n_distinct),
    alter column account_id type uuid;  -- takes the statistics that are there away, and changes nothing else
alter table list_membership
    alter column account_id set statistics 0, alter column account_id reset (n_distinct),
    alter column account_id type uuid;
alter table tagging
    alter column account_id set statistics 0, alter column account_id reset (n_distinct),
    alter column account_id type uuid;
alter table consent_event
    alter column account_id set statistics 0, alter column account_id reset (n_distinct),
    alter column account_id type uuid;

-- Uploads live for minutes: to compress them takes longer than to write them.
alter table upload_part alter column data set storage external;
