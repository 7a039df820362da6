"""Bodies of content as callers send them: representation, shape, well-formed storage format."""

import html
import json
import re
from typing import Any
from xml.etree import ElementTree as ET

from local.confluence.calls import invalid
from local.confluence.content import Body

REPRESENTATIONS = ("storage", "atlas_doc_format", "raw")
NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")


def _storage_is_well_formed(value: str) -> bool:
    """Storage format is XHTML with the ac and ri prefixes; named HTML entities are allowed."""
    if "<!" in value.replace("<![CDATA[", ""):
        return False
    known = {"amp", "lt", "gt", "quot", "apos"}
    plain = NAMED_ENTITY.sub(lambda m: m[0] if m[1] in known else html.unescape(m[0]), value)
    try:
        ET.fromstring(f'<body xmlns:ac="ac" xmlns:ri="ri" xmlns:at="at">{plain}</body>')  # noqa: S314 no declarations get here
    except ET.ParseError:
        return False
    return True


def read_body(document: Any, representations: tuple[str, ...]) -> Body:
    """Accepts `{representation, value}` and the nested form `{<representation>: {representation, value}}`."""
    if isinstance(document, dict) and len(document) == 1 and "representation" not in document:
        [(name, inner)] = document.items()
        if not isinstance(inner, dict) or inner.get("representation") != name:
            raise invalid("body must name its representation once")
        document = inner
    if not isinstance(document, dict) or set(document) != {"representation", "value"}:
        raise invalid("body must be {representation, value}")
    representation, value = document["representation"], document["value"]
    if representation not in representations or not isinstance(value, str):
        raise invalid(f"body.representation must be one of {', '.join(representations)}, body.value a text")
    if representation == "storage" and not _storage_is_well_formed(value):
        raise invalid("body.value is not well-formed storage format")
    if representation == "atlas_doc_format":
        try:
            json.loads(value)
        except ValueError as error:
            raise invalid("body.value is not a document in JSON") from error
    return Body(representation, value)
