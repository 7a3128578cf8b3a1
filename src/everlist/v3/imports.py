"""/v3/activities/contacts_file_import and contacts_json_import. V3 contract 6.3."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from everlist.core.ids import new_id, parse_id
from everlist.core.imports.job import ImportRequest
from everlist.core.imports.upload import Upload
from everlist.rest.activities import activity_out, queue
from everlist.rest.errors import VALIDATION, Failure, bad_request, invalid, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call

_MAX_LISTS = 50
_MAX_FIELD_BYTES = 16 * 1024
_SMS_PERMISSIONS = ("not_set", "explicit")


class _Form:
    """Parses a multipart form as its bytes come in: keeps the short fields, and hands on the file."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, list[str]] = {}
        self.file_name: str | None = None
        self.file: list[bytes] = []
        """The bytes of the file that have come in and are not stored yet."""
        self.ended = False
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name: str | None = None
        self._in_file = False
        self._text = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the body. Raises FormParserError."""
        self._parser.write(data)

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = self._name == "file" and self.file_name is None
        if self._in_file:
            self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
            if "\0" in self.file_name:
                raise bad_request("file does not have a valid value: its name contains a NUL character")
        self._text.clear()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.file.append(data[start:end])
        elif len(self._text) <= _MAX_FIELD_BYTES:
            self._text += data[start:end]

    def _on_part_end(self) -> None:
        if not self._in_file and self._name:
            if len(self._text) > _MAX_FIELD_BYTES:
                raise invalid(self._name)
            self.fields.setdefault(self._name, []).append(self._text.decode("utf-8", "replace"))
        self._in_file = False

    def _on_end(self) -> None:
        self.ended = True


async def post_contacts_file_import(call: Call) -> Response:
    """POST /activities/contacts_file_import: store the file in the database as it comes in."""
    if call.media_type != "multipart/form-data" or not call.boundary:
        raise Failure(415, VALIDATION, "Content-Type must be multipart/form-data with its boundary")
    try:
        form = _Form(call.boundary)
    except (FormParserError, ValueError) as error:
        raise bad_request("the multipart boundary does not have a valid value") from error
    activity_id = new_id()
    upload = Upload(call.db, call.account_id, activity_id, now=call.now)
    try:
        async for data in call.stream():
            form.feed(data)
            if form.file_name is not None and not form.file_name.lower().endswith(".csv"):
                raise Failure(415, VALIDATION, "file does not have a valid value: its name must end in .csv")
            for piece in form.file:
                await upload.write(piece)
            form.file.clear()
        request = _request(call, form, upload)
        await upload.finish()
        made = await queue(
            call,
            "contacts_file_import",
            request,
            list_ids=request.list_ids,
            source_file_name=form.file_name,
            activity_id=activity_id,
        )
    except FormParserError as error:
        await upload.discard()
        raise bad_request("Bad request: the body is not valid multipart/form-data") from error
    except BaseException:
        await upload.discard()
        raise
    return json_response(activity_out(made), 201)


def _request(call: Call, form: _Form, upload: Upload) -> ImportRequest:
    if form.file_name is None:
        raise bad_request("file is missing")
    if not form.ended:
        raise bad_request("Bad request: the multipart body is cut off")
    if upload.size == 0:
        raise bad_request("file does not have a valid value: it is empty")
    words = [
        word.strip() for value in form.fields.get("list_ids", ()) for word in value.split(",") if word.strip()
    ]
    ids = [parse_id(word) for word in words]
    if None in ids:
        raise invalid("list_ids")
    permission = (form.fields.get("sms_permission_to_send") or [None])[0]
    return _checked(call, tuple(one for one in ids if one is not None), permission)


def _checked(call: Call, list_ids: tuple[UUID, ...], sms_permission: str | None) -> ImportRequest:
    list_ids = tuple(dict.fromkeys(list_ids))
    if not list_ids:
        raise bad_request("list_ids is missing")
    if len(list_ids) > _MAX_LISTS:
        raise bad_request(f"list_ids does not have a valid value: at most {_MAX_LISTS}")
    if sms_permission not in (None, "", *_SMS_PERMISSIONS):
        raise invalid("sms_permission_to_send")
    return ImportRequest(
        list_ids=list_ids,
        sms_permission=sms_permission or "not_set",
        vendor_limits=call.settings.vendor_import_limits,
    )


class JsonImportIn(msgspec.Struct):
    import_data: list[msgspec.Raw] | None = None
    list_ids: tuple[UUID, ...] = ()
    sms_permission_to_send: str | None = None


async def post_contacts_json_import(call: Call) -> Response:
    """POST /activities/contacts_json_import."""
    body = await call.body(JsonImportIn)
    request = msgspec.structs.replace(
        _checked(call, body.list_ids, body.sms_permission_to_send), is_json=True
    )
    if not body.import_data:
        raise bad_request("import_data is missing")
    activity_id = new_id()
    upload = Upload(call.db, call.account_id, activity_id, now=call.now)
    try:
        await upload.write_items(body.import_data)
        await upload.finish()
        made = await queue(
            call, "contacts_json_import", request, list_ids=request.list_ids, activity_id=activity_id
        )
    except BaseException:
        await upload.discard()
        raise
    return json_response(activity_out(made), 201)
