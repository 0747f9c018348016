"""Reads a new alert from the words that ask for it: amount, currency, scope, severity, period, name."""

import re
from dataclasses import dataclass
from decimal import Decimal

from common import limits
from common.focus.currencies import CURRENCIES
from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised
from local.demo_model.formatting import both
from local.demo_model.parts import Rest
from local.demo_model.tasks import ALERTS, Task

_WANTED = re.compile(
    r"\b(?:create|set ?up|add|make|configure|define|set)\b.*\b(?:alert|alarm|notification|threshold)s?\b|\bnew alert\b|"
    r"\b(?:alert|notify|warn|ping|tell|inform|email) (?:me|us)\b.*\b(?:when|if|once|as soon as|above|over)\b|"
    r"\b(?:want|need|like) (?:to (?:have|get) )?an? (?:\w+ )?alert\b"
)
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mio": 1_000_000, "million": 1_000_000}
_AMOUNT = re.compile(
    r"(?<![\w.,-])(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s?(?P<scale>k|m|mio|thousand|million)(?![a-z]))?(?![\d%]|\s?percent)",
    re.IGNORECASE,
)
_GLUED = re.compile(r"([$€£₹]|\b[A-Za-z]{3})(?=\d)")
_SAID = {
    "$": "USD", "us$": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP",
    "pound": "GBP", "pounds": "GBP", "₹": "INR", "rupee": "INR", "rupees": "INR", "yen": "JPY",
}  # fmt: skip
# In small letters a code such as "all" or "top" is a word; these are none.
_PLAIN_CODES = frozenset(
    {"usd", "eur", "gbp", "chf", "inr", "jpy", "cad", "aud", "sek", "nok", "dkk", "pln", "cny", "brl", "nzd", "sgd"}
)
_ALSO_WORDS = frozenset({"ALL", "TOP", "TRY", "CUP"})
_CURRENCY = re.compile(r"us\$|[$€£₹]|(?<![A-Za-z])(?:dollars?|euros?|pounds?|rupees?|yen|[A-Za-z]{3})(?![A-Za-z])")
_PASSES = re.compile(
    r"(?:exceed(?:s|ing)?|pass(?:es|ing)?|above|over|more than|greater than|higher than|beyond|reach(?:es)?|hits?|"
    r"cross(?:es)?|tops?|threshold(?: of)?|limit of|>=?|at)\s*(?:the |an? )?"
    r"(?:amount of |threshold of |limit of )?\D{0,4}$"
)
_SEVERITIES = (("critical", r"critical|urgent"), ("warning", r"warning"), ("info", r"info|informational"))
_PERIODS = (
    ("daily", r"daily|per day|a day|in a day|each day|every day|/day|one day"),
    ("weekly", r"weekly|per week|a week|each week|every week|/week"),
    ("monthly", r"monthly|per month|a month|each month|every month|/month|month-to-date|this month"),
)
_NAMED = re.compile(
    r"(?:named|called|titled|with (?:the )?name|name it)\s+[\"'“‘](?P<name>[^\"'”’]{1,100})[\"'”’]", re.I
)
_TEAM = re.compile(
    r"\b(?:for|of|by|on|in|when|if|once)\s+(?:the\s+|our\s+|my\s+)?(?P<before>[\w&/-]+(?:\s[\w&/-]+){0,3}?)\s+"
    r"(?:team|department|project)\b|\b(?:team|department|project)\s+[\"']?(?P<after>[A-Z][\w&/-]*(?:\s[A-Z][\w&/-]*)*)",
)
_NO_TEAM = ("each", "every", "any", "all", "which", "a", "this")
_TEAMS = re.compile(r"\b(?:teams?|departments?|projects?)\b")
_SCOPED = re.compile(r"\b(?:on|for|of|from|by)\s+(?:the\s+|our\s+)?(?P<name>[A-Z][\w.&+-]*)")
_EVERYTHING = re.compile(r"\b(?:all|everything|overall|total|whole)\b")
_ANOTHER = re.compile(r"\b(?:same|another|also|as well|too)\b")
_SCOPE = "An alert can watch all costs, one provider or one team"


@dataclass(frozen=True, slots=True)
class _Amount:
    value: Decimal
    currency: str | None


def wants_creation(plain: str) -> bool:
    """Whether the words ask for a new alert."""
    return bool(_WANTED.search(plain))


def read_creation(text: str, reply: str = "") -> Task:
    """The alert that a message asks for, completed by the reply to what was asked back."""
    whole = f"{text} {reply}".strip()
    plain = normalised(whole)
    named = _NAMED.search(whole)
    left = whole[: named.start()] + " " * len(named[0]) + whole[named.end() :] if named else whole
    amount, currency = _money(reply) if reply else (None, None)
    if amount is None:
        asked_amount, asked_currency = _money(left)
        amount, currency = asked_amount, currency or asked_currency
    rest = Rest(left, normalised(left))
    providers = rest.names(words.PROVIDERS)
    team = _team(rest, left)
    answered = Rest(reply, normalised(reply))
    narrowed = answered.names(words.PROVIDERS) or ([] if _EVERYTHING.search(answered.plain) else providers)
    settled = bool(narrowed and reply) or bool(_EVERYTHING.search(answered.plain))
    ask = _missing(amount, currency) or _unclear(rest, left, narrowed, team, settled=settled)
    arguments: dict[str, object] = {}
    period = next((name for name, pattern in _PERIODS if _said(pattern, plain)), None)
    severity = next((name for name, pattern in _SEVERITIES if _said(pattern, plain)), None)
    if amount is not None and currency is not None:
        scope = team or (narrowed[0] if len(narrowed) == 1 else "")
        composed = _composed(scope, period or "monthly", amount, currency)
        arguments = {"name": named["name"].strip() if named else composed, "threshold": _json(amount)}
        arguments |= {"currency": currency}
    optional = {
        "provider": narrowed[0] if len(narrowed) == 1 else None,
        "severity": severity,
        "hierarchy_entity": team,
        "period": period,
    }
    arguments |= {name: value for name, value in optional.items() if value is not None}
    return Task(text if not reply else whole, ALERTS, "create_alert", arguments, ask=ask)


def continued_creation(known: Task, text: str) -> tuple[Task, ...]:
    """An alert that something was missing of, with a short reply; a whole one again only where "the same" is said."""
    if len(text.split()) > 8 or "?" in text:
        return ()
    if not known.ask:
        plain = normalised(text)
        other = Rest(text, plain).names(words.PROVIDERS)
        if len(other) != 1 or wants_creation(plain) or not _ANOTHER.search(plain):
            return ()
        return (_for_another(known, other[0], text),)
    completed = read_creation(known.text, text)
    same = completed.arguments == known.arguments and completed.ask == known.ask
    return () if same else (completed,)


def _for_another(known: Task, provider: str, text: str) -> Task:
    arguments = {name: value for name, value in known.arguments.items() if name != "hierarchy_entity"}
    said_amount, said_currency = _money(text)
    amount = said_amount or Decimal(str(arguments["threshold"]))
    currency = said_currency or str(arguments["currency"])
    name = _composed(provider, str(arguments.get("period", "monthly")), amount, currency)
    changed = {"name": name, "provider": provider, "threshold": _json(amount), "currency": currency}
    return Task(known.text, ALERTS, "create_alert", {**arguments, **changed})


def _said(pattern: str, plain: str) -> bool:
    return bool(re.search(rf"(?<![\w-])(?:{pattern})(?![\w-])", plain))


def _money(text: str) -> tuple[Decimal | None, str | None]:
    """The amount to be passed: the one with a currency, else the one after "exceeds", else the only one."""
    found: list[tuple[_Amount, bool]] = []
    spaced = _GLUED.sub(r"\1 ", text)
    for match in _AMOUNT.finditer(spaced):
        before, after = spaced[: match.start()], spaced[match.end() :]
        value = Decimal(match["number"].replace(",", "")) * _SCALES.get((match["scale"] or "").lower(), 1)
        if value > 0:
            found.append((_Amount(value, _currency_beside(before, after)), bool(_PASSES.search(before.lower()))))
    chosen = next((amount for amount, _ in found if amount.currency), None)
    chosen = chosen or next((amount for amount, passed in found if passed), None)
    chosen = chosen or (found[0][0] if len(found) == 1 else None)
    codes = {code for match in _CURRENCY.finditer(text) if (code := _code(match[0]))}
    lone = codes.pop() if len(codes) == 1 else None
    return (chosen.value, chosen.currency or lone) if chosen else (None, lone)


def _currency_beside(before: str, after: str) -> str | None:
    following = re.match(rf"\s*({_CURRENCY.pattern})", after)
    leading = re.search(rf"({_CURRENCY.pattern})\s*$", before)
    return (following and _code(following[1])) or (leading and _code(leading[1])) or None


def _code(text: str) -> str | None:
    if text.lower() in _SAID:
        return _SAID[text.lower()]
    if text.lower() in _PLAIN_CODES:
        return text.upper()
    return text if text in CURRENCIES and text not in _ALSO_WORDS else None


def _missing(amount: Decimal | None, currency: str | None) -> str:
    if amount is None and currency is None:
        return "Which amount, and in which currency, shall the cost pass before the alert fires? For example: 500 USD."
    if amount is None:
        return f"Which amount of {currency} shall the cost pass before the alert fires?"
    if currency is None:
        return f"In which currency is the threshold of {amount:,f}? For example: USD or EUR."
    whole = amount.normalize()
    if len(whole.as_tuple().digits) > 15 or int(whole.as_tuple().exponent) < -3:
        return "Please give an amount of at most 15 digits, with at most three of them after the point."
    return ""


def _unclear(rest: Rest, text: str, providers: list[str], team: str | None, *, settled: bool) -> str:
    """What to ask where the words name something that an alert cannot be limited to."""
    if len(providers) > 1:
        return f"{_SCOPE}. Which of {both(providers)} shall this one watch?"
    if settled or team:
        return ""
    if _TEAMS.search(rest.plain):
        return f"{_SCOPE}. Which team, by its name, shall this one watch?"
    kinds = [words.COST_TYPE_NAMES[name] for name in rest.names(words.COST_TYPES) if name != "cloud"]
    others = [*kinds, *rest.names(words.CATEGORIES), *(match[0] for match in words.MODEL_ID.finditer(rest.plain))]
    for match in _SCOPED.finditer(text):
        name, plain = match["name"], match["name"].lower()
        untaken = rest.plain[match.start("name") : match.end("name")] == plain
        if untaken and name not in CURRENCIES and plain not in ("i", "cloud", "spend", "cost", "costs"):
            others.append(name)
    if others and not providers:
        return f"{_SCOPE}, not {both(list(dict.fromkeys(others)))} alone. What shall this one watch?"
    return ""


def _team(rest: Rest, text: str) -> str | None:
    for match in _TEAM.finditer(text):
        name = (match["before"] or match["after"]).strip()
        last = re.split(r"\b(?:for|of|by|on|in|the)\b", name)[-1].strip()
        if last and last.lower() not in _NO_TEAM:
            rest.plain = rest.plain[: match.start()] + " " * len(match[0]) + rest.plain[match.end() :]
            return last
    return None


def _composed(scope: str, period: str, amount: Decimal, currency: str) -> str:
    named = f"{scope} {period}" if scope else period.capitalize()
    return f"{named} cost above {amount.normalize():,f} {currency}"[: limits.ALERT_NAME_CHARS]


def _json(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
