"""The demo organisations' cost and usage rows as plain Python: the same rows for the same ``today``, always."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from local.data import calendar, cloud, genai, subscriptions
from local.data.organizations import DEMO
from local.data.rows import Row

ORGS = tuple(DEMO)


def cost_rows(org: str, today: date) -> Iterator[Row]:
    """Yield every row of an organisation's cost_data_standard_1_3, oldest day first.

    A row has all columns; NUMERIC is Decimal, TIMESTAMP an aware datetime, DATE a date, JSON a dict, NULL None.
    """
    organization = DEMO[org]
    services = cloud.services(organization)
    models = genai.models(org)
    plans = subscriptions.subscriptions(organization)
    billed_this_month: dict[str, Decimal] = {}
    for day in calendar.days(calendar.first_day(today), today):
        yield from cloud.rows_of_day(organization, services, day, today, billed_this_month)
        yield from genai.rows_of_day(organization, models, day, today)
        yield from subscriptions.rows_of_day(organization, plans, day, today)


def usage_rows(org: str, today: date) -> Iterator[Row]:
    """Yield every row of an organisation's genai_usage_daily_unified, oldest day first."""
    models = genai.models(org)
    for day in calendar.days(calendar.first_day(today), today):
        for usage in genai.usage_of_day(org, models, day, today):
            yield genai.usage_row(DEMO[org], usage, today)
