"""How the phone numbers and street addresses of a row meet those of its contact: SQL over `import_row r`, `contact c`.

The rules are those of contacts.subresources. The common cases, nothing there yet and one that is the same, come first.
"""

from __future__ import annotations

from typing import LiteralString

_NOT_SAID_OF_PHONES: LiteralString = "'{phone_number_id,created_at,updated_at,create_source}'::text[]"
_NOT_SAID_OF_ADDRESSES: LiteralString = "'{street_address_id,created_at,updated_at}'::text[]"


def _has(column: LiteralString, not_said: LiteralString) -> LiteralString:
    """Whether the contact has the phone numbers or street addresses that the row says."""
    return (
        "c." + column + " @> case jsonb_array_length(r." + column + ")"
        " when 1 then jsonb_build_array((r." + column + " -> 0) - " + not_said + ")"
        " else (select jsonb_agg(i - " + not_said + ") from jsonb_array_elements(r." + column + ") i) end"
    )


HAS_PHONES: LiteralString = _has("phone_numbers", _NOT_SAID_OF_PHONES)
HAS_ADDRESSES: LiteralString = _has("street_addresses", _NOT_SAID_OF_ADDRESSES)

PHONES: LiteralString = (
    """
case
    when r.phone_numbers is null then c.phone_numbers
    when c.phone_numbers = '[]' then r.phone_numbers
    when """
    + HAS_PHONES
    + """ then c.phone_numbers
    when jsonb_array_length(c.phone_numbers) = 1 and jsonb_array_length(r.phone_numbers) = 1 then case
        when c.phone_numbers #> '{0,kind}' <> r.phone_numbers #> '{0,kind}' then c.phone_numbers || r.phone_numbers
        else jsonb_build_array(
            (c.phone_numbers -> 0) || ((r.phone_numbers -> 0) - '{phone_number_id,created_at,create_source}'::text[])
                || jsonb_build_object('update_source', r.phone_numbers #> '{0,create_source}'))
        end
    else (
        select jsonb_agg(
            coalesce(
                e.item || (i.item - '{phone_number_id,created_at,create_source}'::text[])
                    || jsonb_build_object('update_source', i.item -> 'create_source'),
                e.item, i.item)
            order by e.position, i.position)
        from (
            select item, kind, position, case when not said then
                row_number() over (partition by kind, said order by position) end as place
            from (
                select item, item ->> 'kind' as kind, position, r.phone_numbers @> jsonb_build_array(
                    jsonb_build_object('kind', item -> 'kind', 'phone_number', item -> 'phone_number')) as said
                from jsonb_array_elements(c.phone_numbers) with ordinality e(item, position)) e
        ) e
        full join (  -- each new number takes the place of one of its kind that the row does not say
            select item, item ->> 'kind' as kind, position,
                row_number() over (partition by item ->> 'kind' order by position) as place
            from jsonb_array_elements(r.phone_numbers) with ordinality i(item, position)
            where not c.phone_numbers @> jsonb_build_array(item - """
    + _NOT_SAID_OF_PHONES
    + """)
        ) i on i.kind = e.kind and i.place = e.place)
end"""
)

ADDRESSES: LiteralString = (
    """
case
    when r.street_addresses is null then c.street_addresses
    when c.street_addresses = '[]' then r.street_addresses
    when """
    + HAS_ADDRESSES
    + """ then c.street_addresses
    when jsonb_array_length(c.street_addresses) = 1 and jsonb_array_length(r.street_addresses) = 1 then case
        when c.street_addresses #> '{0,kind}' <> r.street_addresses #> '{0,kind}'
            then c.street_addresses || r.street_addresses
        else jsonb_build_array(
            (c.street_addresses -> 0) || ((r.street_addresses -> 0) - '{street_address_id,created_at}'::text[]))
        end
    else (
        select jsonb_agg(
            coalesce(e.item || (i.item - '{street_address_id,created_at}'::text[]), e.item, i.item)
            order by e.position, i.position)
        from (
            select item, kind, position, case when not said then
                row_number() over (partition by kind, said order by position) end as place
            from (
                select item, item ->> 'kind' as kind, position, exists (
                    select from jsonb_array_elements(r.street_addresses) i
                    where item @> (i - """
    + _NOT_SAID_OF_ADDRESSES
    + """)) as said
                from jsonb_array_elements(c.street_addresses) with ordinality e(item, position)) e
        ) e
        full join (  -- each address that is not there changes one of its kind that the row does not say
            select item, item ->> 'kind' as kind, position,
                row_number() over (partition by item ->> 'kind' order by position) as place
            from jsonb_array_elements(r.street_addresses) with ordinality i(item, position)
            where not c.street_addresses @> jsonb_build_array(item - """
    + _NOT_SAID_OF_ADDRESSES
    + """)
        ) i on i.kind = e.kind and i.place = e.place)
end"""
)
