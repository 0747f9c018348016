"""``python -m local episodes``: conversations with a thumb down as redacted episodes, a JSON line each.

They are of one organisation's record, up to the answer that was rated, and are what ``make eval`` reads once a person
has added what each answer must hold. Addresses of mail and pages, keys, ids, and the names that the organisation's
profile and hierarchy know are replaced. Other names in free text are not known here: read a line before it leaves the
organisation.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from common.app import Services
from common.tenant import Tenant, parse_org_slug
from common.text import shorten_bytes
from common.warehouse.query import Parameter, fixed
from local.operating import add_place, complain, note, operate

_RATED_SQL = """
SELECT f.conversation_id, f.message_id, f.user_id, f.reason, f.updated_at
FROM {shared.org_chat_feedback} AS f
JOIN {shared.org_chat_conversations} AS c
  ON c.org_slug = @org_slug AND c.conversation_id = f.conversation_id AND c.status = 'active'
WHERE f.org_slug = @org_slug AND f.rating = 'down' AND f.created_at >= @since
ORDER BY f.updated_at DESC, f.message_id
LIMIT @most
"""
_MESSAGES_SQL = """
SELECT message_id, role, content, agent_name, tool_calls_json, created_at
FROM {shared.org_chat_messages}
WHERE org_slug = @org_slug AND conversation_id = @conversation_id AND created_at >= @earliest
ORDER BY created_at, message_id
LIMIT 500
"""
_NAMES_SQL = """
SELECT owner_name AS name FROM {shared.org_hierarchy} WHERE org_slug = @org_slug AND owner_name IS NOT NULL
UNION DISTINCT
SELECT company_name FROM {shared.org_profiles} WHERE org_slug = @org_slug AND company_name IS NOT NULL
"""
_MOST = 1_000
_MOST_DAYS = 365
# A conversation may have begun so long before its answer was rated.
_OLDEST = timedelta(days=90)
_ANSWER_BYTES = 600
_SECRETS: tuple[tuple[str, str], ...] = (
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<email>"),
    (r"https?://\S+", "<address>"),
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
    (r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA|ASIA|AIza|eyJ)[\w.-]*[\w-]{8,}", "<key>"),
    (r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_]{20,}\b", "<key>"),
    (r"\b(?:i|vol|vpc|subnet|sg|ami|arn)[-:][\w:/-]*\w", "<id>"),
    (r"(?<![\d.,])\+?\d(?:[ -]?\d){8,}(?![\d.,]\d)", "<id>"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_place(parser)
    parser.add_argument("--org", required=True, help="the organisation's slug")
    parser.add_argument("--days", type=int, default=30, help="ratings of the last so many days (30)")
    parser.add_argument("--limit", type=int, default=100, help=f"how many, at most {_MOST:,} (100)")


def run(args: argparse.Namespace) -> int:
    """Print the lines, and return 0, also where nobody was dissatisfied; 2 where it is not understood."""
    if not 1 <= args.days <= _MOST_DAYS:
        complain(f"--days: a number from 1 to {_MOST_DAYS}.")
        return 2
    if not 1 <= args.limit <= _MOST:
        complain(f"--limit: a number from 1 to {_MOST:,}.")
        return 2
    return operate(args, lambda services: _print(services, args))


async def _print(services: Services, args: argparse.Namespace) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    since = datetime.now(UTC) - timedelta(days=args.days)
    given = {"since": Parameter("TIMESTAMP", since), "most": Parameter("INT64", args.limit)}
    rated = await _read(services, tenant, _RATED_SQL, given)
    names = [str(row["name"]) for row in await _read(services, tenant, _NAMES_SQL, {})]
    redact = Redaction([*names, *(row["user_id"] for row in rated), tenant.org_slug])
    for rating in rated:
        bound = {
            "conversation_id": Parameter("STRING", rating["conversation_id"]),
            "earliest": Parameter("TIMESTAMP", since - _OLDEST),
        }
        messages = await _read(services, tenant, _MESSAGES_SQL, bound)
        if episode := episode_of(rating, messages, redact):
            print(json.dumps(episode, ensure_ascii=False))
    note(f"{len(rated):,} answers of {tenant.org_slug} were rated down in the last {args.days} days.")
    return 0


async def _read(
    services: Services, tenant: Tenant, sql: str, given: Mapping[str, Parameter]
) -> Sequence[Mapping[str, Any]]:
    labels = {"org": tenant.org_slug, "purpose": "episodes"}
    return (await services.warehouse.look_up(fixed(tenant, sql, given), labels=labels)).rows


class Redaction:
    """Replaces what tells who or whose: known names first, then what has the form of an address, a key or an id."""

    def __init__(self, names: Iterable[str]) -> None:
        parts = {part for name in names for part in (name, *name.split()) if len(part) > 2}
        longest = sorted(map(re.escape, parts), key=len, reverse=True)
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)", re.IGNORECASE) if longest else None
        self._forms = [(re.compile(pattern), sign) for pattern, sign in _SECRETS]

    def __call__(self, text: str) -> str:
        for form, sign in self._forms:
            text = form.sub(sign, text)
        return self._names.sub("<name>", text) if self._names else text


def episode_of(
    rating: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], redact: Redaction
) -> dict[str, Any] | None:
    """The questions of a conversation up to the rated answer. Returns None where the answer is not in the record."""
    at = next((place for place, each in enumerate(messages) if each["message_id"] == rating["message_id"]), None)
    if at is None:
        return None
    answer, asked = messages[at], [each["content"] for each in messages[:at] if each["role"] == "user"]
    digest = hashlib.sha256(f"{rating['conversation_id']}/{rating['message_id']}".encode()).hexdigest()[:12]
    calls = [f"{call['name']} {call['arguments']}" for call in json.loads(answer["tool_calls_json"] or "[]")]
    said = [
        f"Reason: {rating['reason'] or 'none given'}.",
        f"Answered by {answer['agent_name']} with {'; '.join(calls) or 'no tool'}.",
        shorten_bytes(answer["content"], _ANSWER_BYTES),
    ]
    turns = [{"ask": redact(text)} for text in asked]
    return {"id": f"down-{digest}", "kind": "rated down", "note": redact(" ".join(said)), "turns": turns}
