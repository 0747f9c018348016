"""``python -m local settings``: show and change an organisation's chat settings and provider key, without the API.

It works on a running ``make run`` (or on the emulators that the environment names), and with ``--project`` on a real
one: with the operator's own Google credentials, which need to write the two settings tables and Firestore and to use
the KMS key, and with the same KMS_*, ORGANIZATIONS_DATASET and FIRESTORE_DATABASE variables as the functions.
A key is read from standard input or asked for; it is never an argument, which every process could see.
"""

import argparse
import getpass
import json
import sys
from typing import Any

from pydantic import ValidationError

from common.app import Services
from common.bodies import problems
from common.organizations.organization import Organization
from common.organizations.settings_change import SettingsChange
from local.operating import add_place, complain, operate, operator_of, profile_of

_VALUES = (
    "provider", "model", "credential_name", "temperature", "max_tokens", "include_org_context", "enable_memory",
    "max_history_messages", "system_prompt_extra", "fast_model_id", "allow_external_fallback",
)  # fmt: skip


_LIMITS = {
    "daily_token_limit": "most model tokens of the organisation in a day",
    "monthly_cost_limit_usd": "most US dollars of its models in a month",
    "user_daily_token_limit": "most model tokens of one person in a day",
    "user_monthly_cost_limit_usd": "most US dollars of one person's models in a month",
}
_CACHE = "answer_cache_seconds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    shown = actions.add_parser(
        "show", allow_abbrev=False, help="print the status and the settings; never anything of the key"
    )
    changed = actions.add_parser(
        "set", allow_abbrev=False, help="change what is named, keep the rest; the first time with a key"
    )
    rotated = actions.add_parser("rotate", allow_abbrev=False, help="replace the provider key and keep everything else")
    deleted = actions.add_parser("delete", allow_abbrev=False, help="end the chat: no settings and no key stay active")
    for action in (shown, changed, rotated, deleted):
        action.add_argument("--org", required=True, help="the organisation's slug")
        add_place(action)
    for action in (changed, rotated):
        action.add_argument("--key-stdin", action="store_true", help="read the provider key from standard input")
        action.add_argument("--credential-name", help="a name for the key, to know it by")
    changed.add_argument("--key-prompt", action="store_true", help="ask for the provider key")
    changed.add_argument(
        "--provider",
        help="openai, anthropic, gemini, deepseek, vertex_ai, azure, bedrock, mistral, cohere, groq, "
        "openrouter, local (or demo, on a laptop)",
    )
    changed.add_argument("--model", help="the provider's id of the model; of a local one, its name in LOCAL_MODELS")
    changed.add_argument("--temperature", type=float, help="0 to 2")
    changed.add_argument("--max-tokens", type=int, help="most tokens of one answer")
    changed.add_argument("--include-org-context", action=argparse.BooleanOptionalAction, default=None)
    changed.add_argument("--enable-memory", action=argparse.BooleanOptionalAction, default=None)
    changed.add_argument("--max-history-messages", type=int, help="most earlier messages that the model sees")
    changed.add_argument(
        "--fallback",
        action="append",
        metavar="PROVIDER/MODEL",
        help="a model that answers while the chosen one does not, with a stored key; at most twice; empty: none",
    )
    changed.add_argument(
        "--fast-model-id", metavar="MODEL", help="a smaller model of the same provider that drafts answers; empty: none"
    )
    changed.add_argument("--allow-external-fallback", action=argparse.BooleanOptionalAction, default=None)
    for name, what in _LIMITS.items():
        changed.add_argument(
            f"--{name.replace('_', '-')}", metavar="NUMBER", help=f"{what}; empty: no limit of its own"
        )
    changed.add_argument(
        "--answer-cache-seconds",
        metavar="SECONDS",
        help="for how long an answer is given again to the very same question of the same data; empty: never",
    )
    changed.add_argument("--system-prompt-extra", help="text added to the system prompt; empty clears it")


def run(args: argparse.Namespace) -> int:
    """Do it, print what is then set, and return 0; 1 where it is refused, 2 where it is not understood."""
    try:
        change = _change(args)
    except ValidationError as error:
        complain(problems(error, "The change"))
        return 2
    return operate(args, lambda services: _run(services, args, change))


async def _run(services: Services, args: argparse.Namespace, change: SettingsChange | None) -> int:
    principal = operator_of(services, args.org)
    organization: Organization | None
    if change is not None:
        await profile_of(services, principal.tenant)
        _serve_demo_model(services)
        organization = await services.settings_store.change(principal, change)
    elif args.action == "delete":
        await services.settings_store.delete(principal)
        organization = await services.directory.renew(principal.tenant)
    else:
        organization = await services.directory.renew(principal.tenant)
    print(json.dumps(services.settings_view.whole(organization), indent=2, ensure_ascii=False))
    return 0


def _change(args: argparse.Namespace) -> SettingsChange | None:
    """The settings change that the arguments ask for, or None. Raises ValidationError."""
    if args.action not in ("set", "rotate"):
        return None
    given: dict[str, Any] = {name: getattr(args, name, None) for name in _VALUES}
    given = {name: value for name, value in given.items() if value is not None}
    given |= {name: None for name in ("system_prompt_extra", "fast_model_id") if given.get(name) == ""}
    if getattr(args, "fallback", None) is not None:
        given["fallback"] = [_further(text) for text in args.fallback if text]
    limits = {name: text for name in (*_LIMITS, _CACHE) if (text := getattr(args, name, None)) is not None}
    given |= {name: _number(text) for name, text in limits.items()}
    key = _key(args)
    return SettingsChange.model_validate_json(json.dumps(given | ({"key": key} if key is not None else {})))


def _number(text: str) -> int | float | str | None:
    """A limit as it was typed; what is no number is for the check of the change to refuse."""
    if not text:
        return None
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


def _further(text: str) -> dict[str, str]:
    """A further model, written as provider/model."""
    provider, _, model = text.partition("/")
    return {"provider": provider, "model": model}


def _key(args: argparse.Namespace) -> str | None:
    if args.key_stdin:
        return sys.stdin.readline().strip()
    if args.action == "rotate" or args.key_prompt:
        return getpass.getpass("Provider key (not shown): ").strip()
    return None


def _serve_demo_model(services: Services) -> None:
    if not services.settings.environment.is_deployed:
        from local.demo_model.provider import register

        register()
