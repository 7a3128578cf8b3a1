"""Merge the phone numbers and street addresses of a row into those of its contact: SQL over `import_row r`, `contact c`.

A row holds only what the file says: a kind with a number, or with the parts of an address. Ids and times are added when
it is merged. The rules are those of contacts.subresources. The common cases come first: the contact has none, or has
one that is the same.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple


class _Kept(NamedTuple):
    """A column of contacts that holds phone numbers or street addresses."""

    column: LiteralString
    id: LiteralString
    at: LiteralString
    """First hex digit used for derived ids, less one; the other digits are those of the row's own id."""
    new: LiteralString
    """Properties that a new entry gets besides its times, and that a changed entry gets."""
    changed: LiteralString

    @property
    def has(self) -> LiteralString:
        """Return the condition that the contact has all entries of the row."""
        return "c." + self.column + " @> r." + self.column

    def made(self, times: LiteralString) -> LiteralString:
        """Return the value of a contact that had none; `times` is {created_at, updated_at} of new entries, as jsonb."""
        return (
            "case when jsonb_array_length(r."
            + self.column
            + ") = 1 then jsonb_build_array("
            + self._made("r." + self.column + " -> 0", "1", times)
            + ") else (select jsonb_agg("
            + self._made("item", "position", times)
            + " order by position) from jsonb_array_elements(r."
            + self.column
            + ") with ordinality i(item, position)) end"
        )

    def merged(self, times: LiteralString) -> LiteralString:
        """Return the value after the row; null if it stays as it is, and for new contacts."""
        return (
            "case when c.contact_id is null or r."
            + self.column
            + " is null or "
            + self.has
            + " then null when c."
            + self.column
            + " = '[]' then "
            + self.made(times)
            + " when jsonb_array_length(c."
            + self.column
            + ") = 1 and jsonb_array_length(r."
            + self.column
            + ") = 1 and c."
            + self.column
            + " #> '{0,kind}' = r."
            + self.column
            + " #> '{0,kind}' then jsonb_build_array("
            + self._written("c." + self.column + " -> 0", "r." + self.column + " -> 0", times)
            + ") else (select jsonb_agg(coalesce("
            + self._written("e.item", "i.item", times)
            + ", e.item, "
            + self._made("i.item", "i.position", times)
            + """) order by e.position, i.position)
            from (
                select item, kind, position, case when not repeated then
                    row_number() over (partition by kind, repeated order by position) end as place
                from (
                    select item, item ->> 'kind' as kind, position, exists (
                        select from jsonb_array_elements(r."""
            + self.column
            + ") i where item @> i) as repeated from jsonb_array_elements(c."
            + self.column
            + """) with ordinality e(item, position)) e
            ) e
            full join (  -- each that is not there takes the place of one of its kind that the row does not say
                select item, item ->> 'kind' as kind, position,
                    row_number() over (partition by item ->> 'kind' order by position) as place
                from jsonb_array_elements(r."""
            + self.column
            + ") with ordinality i(item, position) where not c."
            + self.column
            + """ @> jsonb_build_array(item)
            ) i on i.kind = e.kind and i.place = e.place)
        end"""
        )

    def _made(self, item: LiteralString, position: LiteralString, times: LiteralString) -> LiteralString:
        last = "to_hex(" + self.at + " + " + position + ")"
        own = "'" + self.id + "', left(r.contact_id::text, 35) || " + last
        return "jsonb_build_object(" + own + self.new + ") || " + times + " || (" + item + ")"

    def _written(self, old: LiteralString, new: LiteralString, times: LiteralString) -> LiteralString:
        parts = "((" + old + ") || (" + new + ") || (" + times + " - 'created_at')"
        return parts + self.changed + ")"


_PHONES = _Kept(
    "phone_numbers",
    "phone_number_id",
    "0",
    ", 'create_source', 'Account'",
    """ || '{"update_source": "Account"}'""",
)
_ADDRESSES = _Kept("street_addresses", "street_address_id", "7", "", "")

HAS_PHONES, HAS_ADDRESSES = _PHONES.has, _ADDRESSES.has


def merged(times: LiteralString) -> tuple[LiteralString, LiteralString]:
    """Return what becomes of the phone numbers and of the street addresses of a contact; null: they stay."""
    return _PHONES.merged(times), _ADDRESSES.merged(times)


def made(times: LiteralString) -> tuple[LiteralString, LiteralString]:
    """Return the phone numbers and the street addresses of a contact that the row makes."""
    return _PHONES.made(times), _ADDRESSES.made(times)
