"""Which agent a message belongs to, from its own words."""

import re

from local.demo_model import vocabulary as words
from local.demo_model.dates import normalised
from local.demo_model.sql_text import sql_in
from local.demo_model.tasks import ALERTS, EXPLORER, USAGE


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


_TABLES = _words(
    r"columns?|schemas?|datasets?|sql|(?:which|what|list|show(?: me)?|all|how many|available|describe|explore)"
    r"(?: of)?(?: all)?(?: the| my| our| these| those)? tables?|tables? (?:do|are|can|names?|exist|called|named)|"
    r"(?:in|of|from|about|is|are in) (?:the |my |our )?(?:\S+ )?tables?|table \S*_\S*|"
    r"describe (?:the )?(?:table )?`[^`]+`|(?:describe|structure of|fields? (?:are )?(?:of|in)) (?:the )?"
    r"(?:table )?\S*_\S*|raw (?:data|rows)|what data (?:do|is|are)|(?:run|write) (?:a |me a |an? \w+ )?query"
)
_AS_A_TABLE = _words(r"(?:as|in) (?:a )?(?:\w+ )?table(?: form(?:at)?)?")
_ALERTS = _words(
    r"alerts?|alerting|alerted|alarms?|notif(?:y|ied|ications?)|thresholds?|acknowledge[ds]?|ack|unacknowledged|"
    r"(?:warn|ping|tell|inform|email) (?:me|us) (?:when|if|once|as soon as)"
)
_USAGE = _words(
    r"tokens?|quotas?|allowances?|api calls?|requests?|pipelines?|ingestions?|consumers?|"
    r"(?:failed|latest|recent|successful) runs?|(?:daily|monthly|concurrent|pipeline|run|our|my) limits?|"
    r"(?:gen(?:erative)?[ -]?ai|llm|ai|model) (?:usage|consumption)|active users|"
    r"(?:usage|use) of (?:gen(?:erative)?[ -]?ai|llms?|ai|models?)"
)
_BUDGETS = _words(r"budgets?")
_LESS_USAGE = _words(r"usage|most used|used (?:the )?most|consumption|consum(?:e[sd]?|ing)|runs?")
_LESS_TABLES = _words(r"tables?|explore|explorer|rows")
_HOW_MUCH = _words(r"how much")


def agent_of(text: str) -> str | None:
    """The agent other than the cost analyst that the words name, None where they name none."""
    if sql_in(text) is not None:
        return EXPLORER
    plain = normalised(text)
    if _TABLES.search(_AS_A_TABLE.sub(" ", plain)):
        return EXPLORER
    if _ALERTS.search(plain):
        return ALERTS
    if _USAGE.search(plain):
        return USAGE
    if _BUDGETS.search(plain):
        return EXPLORER
    if says_cost(plain):
        return None
    if _LESS_USAGE.search(plain):
        return USAGE
    return EXPLORER if _LESS_TABLES.search(plain) else None


def says_cost(plain: str) -> bool:
    """Whether the words are about money; "how much" alone may be about anything."""
    return bool(words.COST.search(_HOW_MUCH.sub(" ", plain)))
