"""Demo costs of SaaS subscriptions: billed daily, monthly on a fixed day, or yearly and amortised over the year."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from local.data import calendar
from local.data.organizations import Organization, table
from local.data.rows import Row, cents, costs, dated, numeric, template

PIPELINE = "saas"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One plan with its seats; ``billing`` is ``daily``, ``monthly:<day>`` or ``annual:<month>-<day>``."""

    seats: int
    monthly_price: Decimal
    billing: str
    row: Row

    @property
    def monthly_cost(self) -> Decimal:
        """The cost of all seats for a month."""
        return self.seats * self.monthly_price


def subscriptions(organization: Organization) -> list[Subscription]:
    """Return the subscriptions of a demo organisation, each with the fixed part of its rows."""
    return [_subscription(organization, line) for line in table("subscriptions", organization.slug)]


def rows_of_day(organization: Organization, items: list[Subscription], day: date, today: date) -> Iterator[Row]:
    """Yield the SaaS charges of one day."""
    when = dated(organization, PIPELINE, day, today)
    for item in items:
        yield from (row | when for row in _charges(item, day))


def _charges(item: Subscription, day: date) -> Iterator[Row]:
    every, _, on = item.billing.partition(":")
    if every == "daily":
        cost = numeric(item.monthly_cost / calendar.days_in_month(day))
        yield _charge(item, "Daily share of the month", cost, cost, "Amortized")
    elif every == "monthly" and day.day == int(on):
        cost = cents(item.monthly_cost)
        yield _charge(item, "Monthly fee", cost, cost, "None")
    elif every == "annual":
        fee = cents(item.monthly_cost * 12)
        if f"{day:%m-%d}" == on:
            yield _charge(item, "Annual fee, paid in advance", fee, Decimal(0), "One-Time") | {
                "ChargeFrequency": "One-Time"
            }
        share = numeric(fee / _days_of_term(day, on))
        yield _charge(item, "Share of the annual fee", Decimal(0), share, "Amortized") | {
            "ChargeCategory": "Usage",
            "ChargeFrequency": "Usage-Based",
        }


def _days_of_term(day: date, starts_on: str) -> int:
    month, day_of_month = map(int, starts_on.split("-"))
    start = date(day.year, month, day_of_month)
    if start > day:
        start = start.replace(year=day.year - 1)
    return (start.replace(year=start.year + 1) - start).days


def _charge(item: Subscription, description: str, billed: Decimal, effective: Decimal, amortization: str) -> Row:
    listed = max(billed, effective)
    return (
        item.row
        | costs(listed, listed, billed, effective)
        | {
            "ChargeDescription": f"{item.row['SkuMeter']}: {description.lower()}",
            "x_amortization_class": amortization,
        }
    )


def _subscription(organization: Organization, line: dict[str, str]) -> Subscription:
    seats, price = int(line["seats"]), Decimal(line["monthly_price"])
    sku = f"{line['service']}-{line['plan']}".lower().replace(" ", "-")
    row = template(organization, line["vendor"], PIPELINE, line["team"]) | {
        "BillingAccountId": f"{line['vendor'].lower()}-{organization.slug}",
        "BillingCurrency": line["currency"],
        "PricingCurrency": line["currency"],
        "x_original_currency": line["currency"],
        "HostProviderName": line["host"] or line["vendor"],
        "ServiceName": line["service"],
        "ServiceCategory": line["category"],
        "ServiceSubcategory": line["subcategory"],
        "ChargeCategory": "Purchase",
        "ChargeFrequency": "Recurring",
        "PricingQuantity": Decimal(seats),
        "PricingUnit": "Seats",
        "ListUnitPrice": price,
        "ContractedUnitPrice": price,
        "SkuId": sku,
        "SkuMeter": f"{line['service']} {line['plan']}",
        "SkuPriceId": f"{sku}.seat-month",
        "SkuPriceDetails": {"Plan": line["plan"], "Seats": seats},
        "x_service_model": "SaaS",
    }
    return Subscription(seats=seats, monthly_price=price, billing=line["billing"], row=row)
