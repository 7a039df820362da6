"""Microsoft Teams through a Workflows webhook: card, answers, and the shape of its URLs (pure).

Power Automate answers 202 before the flow runs, so "delivered" means handed over: whether the card appears in
the channel is not visible to a sender. Facts: learn.microsoft.com, "Create incoming webhooks with Workflows",
and adaptivecards.io for schema 1.4, which every Teams client renders.
"""

import json
import re
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from lib.outbound import Answer, OutboundError
from notify.message import Message
from notify.outcome import CARD_REFUSED, THROTTLED, TOO_LARGE, Delivered, Gone, Outcome, Retry

CONTENT_TYPE = "application/json; charset=utf-8"
"""Without the charset Teams breaks emoji."""

BUDGET_BYTES = 20_000
"""Above about 28 KB the flow fails with "Request Entity too large", after its 202."""

RETIRED_CONNECTOR = "retired-connector"

_ELLIPSIS = "…"


def payload(message: Message) -> bytes:
    """The message as one Adaptive Card, within `BUDGET_BYTES`; a title too long is cut, then left out."""
    whole = _card(message, message.title)
    if len(whole) <= BUDGET_BYTES or message.title is None:
        return whole
    least, most = 0, len(message.title)
    while least < most:
        middle = (least + most + 1) // 2
        if len(_card(message, _cut(message.title, middle))) <= BUDGET_BYTES:
            least = middle
        else:
            most = middle - 1
    return _card(message, _cut(message.title, least) if least else None)


def _cut(title: str, length: int) -> str:
    return title[:length].rstrip() + _ELLIPSIS


def _card(message: Message, title: str | None) -> bytes:
    body: list[dict[str, object]] = [
        {"type": "TextBlock", "text": message.headline, "wrap": True, "weight": "bolder"},
    ]
    if title is not None:
        # A TextBlock would read Markdown, and a title may be "[pay here](http://evil)"; a TextRun is never parsed.
        body.append({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": title}]})
    content = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "fallbackText": message.headline,
        "speak": message.headline,
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": message.button, "url": message.address}],
        "msteams": {"width": "Full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    document = {"type": "message", "attachments": [attachment]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


_STOPPED = {401: "unauthorized", 403: "forbidden", 404: "not-found", 410: "gone"}


def classify(result: Answer | OutboundError, *, was_plain: bool) -> Outcome:
    """What the answer means. A refused card is tried once more without its optional parts (`was_plain`)."""
    if isinstance(result, OutboundError):
        # A webhook never moves; whatever sends us on is not the flow any more.
        return Gone(result.reason) if result.reason == "redirect" else Retry(result.reason)
    status = result.status
    if 200 <= status < 300:
        return Delivered(status)
    if status in _STOPPED:
        return Gone(_STOPPED[status], status)
    if status in {408, 429} or status >= 500:
        reason = THROTTLED if status == 429 else "server-error"
        return Retry(reason, status, _asked_wait_s(result))
    reason = TOO_LARGE if status == 413 else CARD_REFUSED
    return Gone(reason, status) if was_plain else Retry(reason, status)


def _asked_wait_s(answer: Answer) -> int | None:
    """Retry-After in seconds; a date is measured against the answer's own Date, so no clock is needed."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return int(asked[:9])
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0, int(wait.total_seconds()))


_ANY_URL = re.compile(r"https?://(?P<host>[^/?#:]+)(?::\d+)?(?P<path>/[^?]*)(?:\?(?P<query>.*))?")
_RETIRED_HOST = re.compile(r"(?:[a-z0-9-]+\.)*webhook\.office\.com|outlook\.office(?:365)?\.com", re.IGNORECASE)
_POWER_HOST_SUFFIX = ".environment.api.powerplatform.com"
_POWER_ENVIRONMENT = re.compile(r"(?:default)?[0-9a-f]{30}\.[0-9a-f]{2}")
_POWER_PATH = re.compile(
    r"/powerautomate/automations/direct(?:/cu/\d{1,3})?/workflows/[0-9a-f]{32}/triggers/manual/paths/invoke"
)
_LOGIC_HOST_SUFFIX = ".logic.azure.com"
_LOGIC_REGION = re.compile(r"prod-\d{1,3}\.[a-z0-9]{1,40}")
_LOGIC_PATH = re.compile(r"/workflows/[0-9a-f]{32}/triggers/([A-Za-z0-9_-]{1,80})/paths/invoke")
_LOGIC_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{43}")


def endpoint_shape_fault(url: str) -> str | None:
    """Why this is no Workflows URL, as a code, or None. Host rules of the door are not repeated here."""
    parts = _ANY_URL.fullmatch(url)
    if parts is None:
        return "not-a-workflow"
    host, path = parts["host"], parts["path"]
    if _RETIRED_HOST.fullmatch(host):
        return RETIRED_CONNECTOR
    is_power, is_logic = host.endswith(_POWER_HOST_SUFFIX), host.endswith(_LOGIC_HOST_SUFFIX)
    if is_power and not _POWER_ENVIRONMENT.fullmatch(host.removesuffix(_POWER_HOST_SUFFIX)):
        return "not-a-workflow"
    if is_logic and not _LOGIC_REGION.fullmatch(host.removesuffix(_LOGIC_HOST_SUFFIX)):
        return "not-a-workflow"
    if _POWER_PATH.fullmatch(path) and not is_logic:
        return _query_fault(parts["query"], version=re.compile("1"), trigger="manual")
    trigger = _LOGIC_PATH.fullmatch(path)
    if trigger is not None and not is_power:
        return _query_fault(parts["query"], version=_LOGIC_VERSION, trigger=trigger[1])
    return "not-a-workflow"


def _query_fault(query: str | None, *, version: re.Pattern[str], trigger: str) -> str | None:
    pairs = parse_qsl(query or "", keep_blank_values=True)
    values = dict(pairs)
    if "sig" not in values:
        return "signature-missing"
    if len(values) != len(pairs) or set(values) != {"api-version", "sp", "sv", "sig"}:
        return "unknown-parameters"
    if not _SIGNATURE.fullmatch(values["sig"]):
        return "signature-missing"
    is_known = (
        version.fullmatch(values["api-version"])
        and values["sp"] == f"/triggers/{trigger}/run"
        and values["sv"] == "1.0"
    )
    return None if is_known else "unknown-parameters"


_HOW_TO_GET_ONE = (
    "In Teams, open the channel's Workflows, add “Post to a channel when a webhook request is received” "
    "and paste the URL it shows"
)

HELP = {
    RETIRED_CONNECTOR: f"is that of an Office 365 connector, which Microsoft has retired. {_HOW_TO_GET_ONE}",
    "not-a-workflow": f"is not that of a Teams workflow. {_HOW_TO_GET_ONE}",
    "signature-missing": "is incomplete: “sig=” and the 43 characters after it are missing. Copy the whole URL",
    "unknown-parameters": "has other parameters than a Teams workflow gives its URL. Copy the URL again, unchanged",
    "unauthorized": "Teams refused the call. Set the workflow's trigger to “Anyone” and copy its URL again.",
    "forbidden": "Teams refused the call. Set the workflow's trigger to “Anyone” and copy its URL again.",
    "not-found": "The workflow does not exist any more. Make a new one and add it here.",
    "gone": "The workflow does not exist any more. Make a new one and add it here.",
    "redirect": "The address answers with a redirect, which a Teams workflow never does. Add the workflow's own URL.",
    CARD_REFUSED: "The workflow refused the card. Check that its trigger is unchanged.",
    TOO_LARGE: "The workflow refused the card as too large.",
    THROTTLED: "Teams is receiving too many messages for this workflow. Try again in a minute.",
    "delivered": "Handed over to Teams. Check that the card appears in the channel: Teams does not tell us.",
}
"""What to do about it, in words for an administrator. A fault of the URL continues the sentence "The URL …"."""
