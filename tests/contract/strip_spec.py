"""Reduce the vendor's published V3 contract to its facts, for the contract tests.

In: the path of the published Swagger 2.0 file. Out, on standard output: the paths under test and the
definitions they reach as JSON, with every sentence, example and host name left out and FIXES applied.

    python tests/contract/strip_spec.py INPUT.yml > tests/contract/v3.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

PREFIXES = ("/contact", "/activities", "/segments", "/account")
METHODS = ("get", "put", "post", "delete", "patch")

SCHEMA_FACTS = {
    "$ref", "additionalProperties", "allOf", "default", "enum", "exclusiveMaximum", "exclusiveMinimum",
    "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "multipleOf",
    "pattern", "properties", "readOnly", "required", "type", "uniqueItems", "x-nullable",
}  # fmt: skip
PARAMETER_FACTS = SCHEMA_FACTS - {"properties", "readOnly"} | {"collectionFormat", "in", "name", "schema"}
OPERATION_FACTS = {
    "consumes", "operationId", "parameters", "produces", "responses", "security",
    "x-authorization-privileges", "x-sdk-methodName",
}  # fmt: skip
RESPONSE_FACTS = {"headers", "schema"}
PROSE = {"description", "example", "externalDocs", "summary", "tags", "title", "x-ctctmcp-allow", "x-example"}

# --- the one place where the output differs from the published file -------------------------------------

ARTEFACT = "generator artefact: a maximum of no items at all"
COMMA = "a comma-separated list, which Swagger 2.0 writes as an array with collectionFormat csv"
COMMA_OF = f"{COMMA}; the maximum counts the ids in it"
PROSE_ONLY = "the file says so, but only in a sentence, where no tool can use it"

SOURCES = {"enum": ["Contact", "Account"]}
PERMISSIONS = {
    "enum": ["explicit", "implicit", "not_set", "pending_confirmation", "temp_hold", "unsubscribed"]
}
INCLUDED = "custom_fields list_memberships phone_numbers street_addresses taggings notes"
STATUSES = "all active deleted not_set pending_confirmation temp_hold unsubscribed"
SMS_STATUSES = "all explicit unsubscribed pending_confirmation not_set"


def comma_list(values: str = "", **facts: Any) -> dict[str, Any]:
    """The facts of a comma list of `values` or else of ids; what was said of the text as a whole goes."""
    item = {"enum": values.split()} if values else {"format": "uuid"}
    whole = {"enum": None, "format": None, "maximum": None}
    return whole | {"type": "array", "collectionFormat": "csv", "items": {"type": "string"} | item} | facts


SEQUENCE_IDS = comma_list(maxItems=500, items={"type": "string"})

# Where | the facts to set, None takes one away | why.
# Where: "Definition.property.property" ("A|B.property": in both; "A.": its map of properties), or
# "METHOD /path ?parameter".
FIXES: list[tuple[str, dict[str, Any], str]] = [
    # -- wrong in the file
    ("ListActivityAddContacts|ListActivityRemoveContacts.source.tag_ids", {"maxItems": 50}, ARTEFACT),
    ("ListActivityRemoveContacts.source.list_ids", {"maxItems": 100}, f"{ARTEFACT}; 100 in the guide"),
    ("ListActivityRemoveContacts.source.contact_ids", {"maxItems": 500}, ARTEFACT),
    ("ListActivityRemoveContacts.list_ids", {"maxItems": 50}, ARTEFACT),
    ("CustomFieldId100.custom_field_ids", {"maxItems": 100}, ARTEFACT),
    ("JsonImportContact.", {"home country": None, "home_country": {"type": "string", "maxLength": 50}},
     "typo: a blank in the name"),
    ("tagsLinks.", {"next": None}, "a link inside a link, which no other page has"),
    ("GET /contact_tags ?limit", {"minLength": None, "maxLength": None, "minimum": 1, "maximum": 500},
     "lengths on an integer"),
    ("GET /contacts ?segment_id", {"maximum": None}, "a maximum on a string: it means one id"),
    ("GET /contacts ?lists", comma_list(maxItems=25), COMMA_OF),
    ("GET /contacts ?tags", comma_list(maxItems=50), COMMA_OF),
    ("GET /contacts ?status", comma_list(STATUSES), COMMA),
    ("GET /contacts ?sms_status", comma_list(SMS_STATUSES), COMMA),
    ("GET /contacts ?include", comma_list(INCLUDED), COMMA),
    ("GET /contacts/{contact_id} ?include", comma_list(INCLUDED), COMMA),
    ("GET /contacts/contact_id_xrefs ?sequence_ids", SEQUENCE_IDS, COMMA_OF),
    ("GET /contact_lists/list_id_xrefs ?sequence_ids", SEQUENCE_IDS, COMMA_OF),
    ("GET /contact_lists ?status", comma_list("all active deleted"), COMMA),
    ("GET /account/summary ?extra_fields", comma_list("physical_address company_logo"), COMMA),
    ("POST /activities/contacts_file_import ?list_ids", comma_list(maxItems=50), COMMA_OF),
    # -- right, but not told as a fact
    ("ContactPostRequest", {"required": ["create_source"]}, PROSE_ONLY),
    ("CustomFieldRequest", {"required": ["label", "type"]}, "required in the CustomField that it creates"),
    ("ContactPostRequest|ContactResource|PhoneNumber.create_source", SOURCES, PROSE_ONLY),
    ("ContactPutRequest|ContactResource|PhoneNumber.update_source", SOURCES, PROSE_ONLY),
    ("EmailAddress.opt_in_source", SOURCES, PROSE_ONLY),
    ("EmailAddress.opt_out_source", SOURCES, PROSE_ONLY),
    ("EmailAddress.confirm_status", {"enum": ["pending", "confirmed", "off"]}, PROSE_ONLY),
    ("EmailAddress|EmailAddressPost|EmailAddressPut.permission_to_send", PERMISSIONS, PROSE_ONLY),
    ("PhoneNumber|PhoneNumberPut.kind", {"enum": ["home", "work", "mobile", "other"]}, PROSE_ONLY),
    ("StreetAddress|StreetAddressPut.kind", {"enum": ["home", "work", "other"]}, PROSE_ONLY),
    ("ContactCreateOrUpdateInput.street_address.kind", {"enum": ["home", "work", "other"]}, PROSE_ONLY),
    ("ContactPostRequest|ContactPutRequest|ContactCreateOrUpdateInput|ContactResource.birthday_month",
     {"minimum": 1, "maximum": 12}, PROSE_ONLY),
    ("ContactPostRequest|ContactPutRequest|ContactCreateOrUpdateInput|ContactResource.birthday_day",
     {"minimum": 1, "maximum": 31}, f"{PROSE_ONLY}; the one that says 12 is a typo"),
    ("ContactCreateOrUpdateResponse.action", {"enum": ["created", "updated"]}, PROSE_ONLY),
    ("CustomFieldMetadata.display_type", {"enum": ["dropdown", "checkbox", "radio"]}, PROSE_ONLY),
    ("CustomFieldMetadata.currency_code", {"minLength": 3, "maxLength": 3}, PROSE_ONLY),
    ("CustomField|CustomFieldRequest.version", {"enum": [1, 2]}, PROSE_ONLY),
    ("GET /segments ?sort_by", {"enum": ["name", "date"]}, PROSE_ONLY),
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------


def facts(node: dict[str, Any], keep: set[str], where: str) -> dict[str, Any]:
    """The entries of `node` named in `keep`; fails on one that is neither a known fact nor known prose."""
    unknown = node.keys() - keep - PROSE
    if unknown:
        raise SystemExit(f"{where}: neither kept nor left out: {', '.join(sorted(unknown))}")
    return {key: value for key, value in node.items() if key in keep}


def schema(node: dict[str, Any], where: str) -> dict[str, Any]:
    """A schema without its prose; the names under `properties` are data, so all of them stay."""
    kept = facts(node, SCHEMA_FACTS, where)
    if "properties" in kept:
        kept["properties"] = {key: schema(sub, f"{where}|{key}") for key, sub in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = schema(kept[key], f"{where}|{key}")
    if "allOf" in kept:
        kept["allOf"] = [schema(sub, f"{where}|allOf") for sub in kept["allOf"]]
    return kept


def operation(node: dict[str, Any], where: str) -> dict[str, Any]:
    """An operation without its prose; a response keeps the empty description that Swagger 2.0 demands."""
    kept = facts(node, OPERATION_FACTS, where)
    kept["parameters"] = [facts(item, PARAMETER_FACTS, where) for item in kept.get("parameters", [])]
    for item in kept["parameters"]:
        for key in ("schema", "items"):
            if key in item:
                item[key] = schema(item[key], f"{where}|{item['name']}")
    responses: dict[str, Any] = {}
    for status, response in kept["responses"].items():
        responses[status] = {"description": ""} | facts(response, RESPONSE_FACTS, where)
        if "schema" in response:
            responses[status]["schema"] = schema(response["schema"], f"{where}|{status}")
        if "headers" in response:
            responses[status]["headers"] = {
                name: schema(header, f"{where}|{status}|{name}")
                for name, header in response["headers"].items()
            }
    return kept | {"responses": responses}


def security(node: dict[str, Any]) -> dict[str, Any]:
    """A security definition with the names of its scopes, and its addresses without their host."""
    kept = {key: urlsplit(node[key]).path for key in ("authorizationUrl", "tokenUrl") if key in node}
    return kept | {"type": node["type"], "flow": node["flow"], "scopes": dict.fromkeys(node["scopes"], "")}


def references(node: object) -> Iterator[str]:
    """The names of the definitions that `node` refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/definitions/")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def places(document: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """The nodes of `document` that a fix names."""
    if where.split(" ")[0].lower() in METHODS:
        method, path, name = where.split(" ")
        parameters = document["paths"][path][method.lower()]["parameters"]
        yield next(item for item in parameters if item["name"] == name.removeprefix("?"))
        return
    names, *keys = where.split(".")
    for name in names.split("|"):
        node = document["definitions"][name]
        for key in keys:
            node = node["properties"][key] if key else node["properties"]
        yield node


def fix(document: dict[str, Any], where: str, change: dict[str, Any]) -> None:
    """Set or take away the facts at `where`; fails when nothing would change, so that no row goes stale."""
    for node in places(document, where):
        fixed = {key: value for key, value in (node | change).items() if value is not None}
        if fixed == node:
            raise SystemExit(f"{where}: this fix changes nothing")
        node.clear()
        node.update(fixed)


def strip(published: dict[str, Any]) -> dict[str, Any]:
    """The published document reduced to the facts of the paths under PREFIXES, with FIXES applied."""
    paths = {
        path: {method: operation(item[method], f"{method} {path}") for method in METHODS if method in item}
        for path, item in published["paths"].items()
        if path.startswith(PREFIXES)
    }
    definitions: dict[str, Any] = {}
    waiting = list(references(paths))
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = schema(published["definitions"][name], name)
            waiting.extend(references(definitions[name]))
    schemes = {
        name for item in paths.values() for op in item.values() for use in op["security"] for name in use
    }
    document = {
        "swagger": published["swagger"],
        "info": {"title": "", "version": published["info"]["version"]},
        "basePath": published["basePath"],
        "consumes": published["consumes"],
        "produces": published["produces"],
        "securityDefinitions": {name: security(published["securityDefinitions"][name]) for name in schemes},
        "paths": paths,
        "definitions": definitions,
    }
    for where, change, _ in FIXES:
        fix(document, where, change)
    left = set(definitions) - set(references(document))
    for name in left:  # reached only through what a fix took away
        del definitions[name]
    return document


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} INPUT.yml > tests/contract/v3.json")
    source = yaml.load(Path(sys.argv[1]).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    print(json.dumps(strip(source), indent=1, sort_keys=True))
