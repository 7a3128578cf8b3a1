-- What undo needs beside the contacts: the lists, tags and fields that an activity deleted, whole, and the ids
-- of those that it made. {"contact_list": […], "tag": […], "custom_field": […], "made": {"tag": [id, …], …}}
alter table before_image add column definitions jsonb;
