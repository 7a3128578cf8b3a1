-- Uploads live for minutes: to compress them takes longer than to write them.
alter table upload_part alter column data set storage external;
