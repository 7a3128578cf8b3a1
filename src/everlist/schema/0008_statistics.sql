-- What the planner shall believe of columns that say whose a row is.
--
-- Left to itself it counts the accounts, and finds that an account has one row or two: true of most, and
-- ruinous for the one that has a million and is too new to be in the statistics, because then every index that
-- begins with account_id looks as good as the right one. With a fiftieth of the table for each, the index that
-- has all the columns of a condition always wins, and the rows of one account are still read by an index.
alter table contact alter column account_id set (n_distinct = 50);
alter table list_membership alter column account_id set (n_distinct = 50);
alter table tagging alter column account_id set (n_distinct = 50);
alter table consent_event alter column account_id set (n_distinct = 50);
alter table import_row alter column account_id set (n_distinct = 50);
alter table import_row alter column activity_id set (n_distinct = 50);
