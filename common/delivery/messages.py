"""A notice as each kind of destination shows it. What people wrote is plain text there: no markup of theirs is read."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from common.notices.notice import Notice, NoticeKind
from common.tenant import OrgSlug
from common.text import shorten

# Names that receivers dispatch on; they stay.
_TYPES: Mapping[NoticeKind, str] = {
    "alert": "alert.raised",
    "alert_over": "alert.over",
    "alerts_held": "alerts.held_back",
    "digest": "digest.made",
    "escalation": "conversation.escalated",
    "test": "destination.tested",
}
_SLACK_HEADER_CHARS, _SLACK_TEXT_CHARS, _SLACK_FIELDS, _SLACK_FIELD_CHARS = 150, 2_900, 10, 1_900
OPEN = "Open in the chat"


def webhook_body(org_slug: OrgSlug, notice: Notice, link: str | None) -> bytes:
    """The JSON of a notice, in the shape that Standard Webhooks recommends: type, timestamp, data."""
    data: dict[str, Any] = {
        "notice_id": notice.notice_id,
        "org_slug": org_slug,
        "title": notice.title,
        "text": notice.text,
        "severity": notice.severity,
        "facts": [{"label": label, "value": value} for label, value in notice.facts],
        "link": link,
        "details": dict(notice.details),
    }
    told = {"type": _TYPES[notice.kind], "timestamp": notice.occurred_at.isoformat(), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(message_id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of Standard Webhooks: the id of the message, the time, and a signature for each secret."""
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        f"v1,{b64encode(hmac.digest(b64decode(each.removeprefix('whsec_')), signed, hashlib.sha256)).decode()}"
        for each in secrets
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": "cloudcost-chat",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def slack_body(notice: Notice, link: str | None) -> bytes:
    """The notice as blocks of Slack. All of it but our own link is plain text, so that nobody is mentioned by it."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _slack_text(notice.title, _SLACK_HEADER_CHARS)},
        {"type": "section", "text": _slack_text(notice.text or notice.title, _SLACK_TEXT_CHARS)},
    ]
    fields = [_slack_text(f"{label}: {value}", _SLACK_FIELD_CHARS) for label, value in notice.facts]
    blocks += [
        {"type": "section", "fields": fields[first : first + _SLACK_FIELDS]}
        for first in range(0, len(fields), _SLACK_FIELDS)
    ]
    if link is not None:
        button = {"type": "button", "text": _slack_text(OPEN, 75), "url": link}
        blocks.append({"type": "actions", "elements": [button]})
    return json.dumps({"text": _escaped(notice.title), "blocks": blocks}, ensure_ascii=False).encode()


def teams_body(notice: Notice, link: str | None) -> bytes:
    """The notice as an Adaptive Card. Its texts are runs, in which Teams reads no Markdown."""
    body = [_teams_text(notice.title, size="Large", weight="Bolder"), *map(_teams_text, notice.text.split("\n"))]
    body += [_teams_text(f"{label}: {value}", isSubtle=True) for label, value in notice.facts]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if link is not None:
        card["actions"] = [{"type": "Action.OpenUrl", "title": OPEN, "url": link}]
    attached = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json.dumps({"type": "message", "attachments": [attached]}, ensure_ascii=False).encode()


def mail(
    notice: Notice, link: str | None, message_id: str, sender: str, recipients: Sequence[str], now: datetime
) -> EmailMessage:
    """The notice as plain text mail. A mail that is sent again has the same Message-ID."""
    message = EmailMessage()
    message["Subject"] = notice.title
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    facts = "\n".join(f"{label}: {value}" for label, value in notice.facts)
    parts = [notice.text or notice.title, facts, f"{OPEN}: {link}" if link is not None else ""]
    message.set_content("\n\n".join(each for each in parts if each) + "\n")
    return message


def _slack_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": shorten(text, most), "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams_text(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text or " ", **look}]}
