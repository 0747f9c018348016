"""Arguments of the alert tools, with their schemas."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from common import limits
from common.cost_query.arguments import FilterList
from common.focus.currencies import parse_currency
from common.skills.alerts.sql import Severity
from common.skills.alerts.windows import AlertPeriod

Kind = Literal["amount", "percent_change", "budget", "budget_forecast", "anomaly", "data_stopped"]


def _is_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("give a number, such as 5000")
    return value


def _number(description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "description": description})


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_NAME_CHARS),
    Field(description="A short name that says what the alert watches."),
]
Threshold = Annotated[
    Decimal,
    BeforeValidator(_is_number),
    Field(gt=0, max_digits=15, decimal_places=3),
    _number("The amount of money that must be passed, in units of the currency, e.g. 5000."),
]
Percent = Annotated[
    Decimal,
    BeforeValidator(_is_number),
    Field(gt=0, le=100_000, decimal_places=3),
    _number("For percent_change the rise, for budgets the part of the budget, that must be reached, in percent."),
]
Currency = Annotated[
    str,
    StringConstraints(min_length=3, max_length=3),
    AfterValidator(parse_currency),
    Field(description="ISO 4217 code of the threshold's currency, e.g. USD. Costs in other currencies do not count."),
]
ProviderOnly = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Field(description="Watch only this provider's costs, e.g. AWS or OpenAI. Leave out for all costs."),
]
EntityOnly = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Field(
        description="Watch only the costs of this department, project or team: its name or entity id in the "
        "hierarchy. Leave out for everything."
    ),
]
KindOf = Annotated[
    Kind,
    Field(
        description="amount: the cost of a period passes threshold. percent_change: it rises by percent against the "
        "period before (daily: the average of the 7 days before). budget: so much percent of a budget is spent. "
        "budget_forecast: the projection reaches so much percent of it. anomaly: an unusual day. data_stopped: no new "
        "costs for more than 2 days."
    ),
]
PeriodOf = Annotated[AlertPeriod, Field(description="The calendar day, week, month or quarter whose cost is watched.")]
SeverityOf = Annotated[Severity, Field(description="How urgent an alert of this rule is.")]
MoreFilters = FilterList
Hour = Annotated[
    str,
    StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$"),
    Field(description="HH:MM in time_zone. What would fire in quiet hours fires after them."),
]
Zone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="IANA time zone of the quiet hours, e.g. Europe/Berlin. Default: the organisation's."),
]
WhichRule = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_ID_CHARS),
    Field(description="The rule_id or the exact name of the rule. Leave out for the one that the user just made."),
]
Action = Literal["pause", "resume", "mute", "unmute", "delete"]
