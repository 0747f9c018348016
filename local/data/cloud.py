"""Demo costs of the clouds: daily usage, commitments in the three ways clouds bill them, tax, credits and refunds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random

from local.data import calendar
from local.data.organizations import Organization, entities, table
from local.data.rows import Row, cents, costs, dated, template

NAMES = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Microsoft Azure"}
COMMITMENTS = {
    "aws": ("Savings Plan", "Spend", "Compute Savings Plan"),
    "azure": ("Reservation", "Spend", "Reserved VM Instance"),
    "gcp": ("Committed Use Discount", "Spend", "Compute flexible commitment"),
}
PURCHASE_SERVICE = {"aws": "Savings Plans for AWS Compute usage", "azure": "Azure Reservations"}
NEGOTIATED = Decimal("0.97")
# A commitment is a little larger than what it covers, so that some of it is unused.
HEADROOM = Decimal("1.04")
# The part of the AWS commitment that was paid upfront, before the first demo day: it is amortised but not billed here.
AWS_UPFRONT = Decimal("0.4")
TAX_RATE = Decimal("0.012")
# The cloud item that runs away in the anomaly, and how far.
ANOMALY = {("globex_inc", "vision-training"): 22.0}


@dataclass(frozen=True, slots=True)
class Service:
    """One resource (or unattributed meter) that costs money every day."""

    cloud: str
    resource: str
    unit_price: Decimal
    daily_quantity: float
    weekend: float
    growth: float
    discount: Decimal | None
    row: Row

    @property
    def is_prepaid(self) -> bool:
        """Return true if usage is paid for by a separate purchase. Google bills usage in full and credits it."""
        return self.discount is not None and self.cloud != "gcp"

    @property
    def committed_cost(self) -> Decimal:
        """The cost of covered usage on a plain day at the committed price."""
        listed = self.unit_price * Decimal(str(self.daily_quantity))
        return listed * NEGOTIATED * (1 - (self.discount or Decimal(0)))


def services(organization: Organization) -> list[Service]:
    """Return the cloud services of a demo organisation, each with the fixed part of its rows."""
    return [_service(organization, line) for line in table("cloud_services", organization.slug)]


def rows_of_day(
    organization: Organization, items: list[Service], day: date, today: date, billed_this_month: dict[str, Decimal]
) -> Iterator[Row]:
    """Yield the cloud charges of one day, adding what each cloud billed to ``billed_this_month``."""
    random = calendar.random_of(organization.slug, "cloud", day)
    tide = random.gauss(1, 0.015)
    runaway = set(calendar.anomaly_days(today))
    for cloud in NAMES:
        when = dated(organization, cloud, day, today)
        own = [item for item in items if item.cloud == cloud]
        charges = [
            _usage(organization, item, day, tide * _boost(organization, item, day, runaway), random) for item in own
        ]
        charges += _commitment(organization, cloud, own, charges, day)
        charges += _occasional(organization, cloud, day)
        billed = billed_this_month.get(cloud, Decimal(0)) + sum((row["BilledCost"] for row in charges), Decimal(0))
        billed_this_month[cloud] = billed
        if cloud == "aws" and calendar.is_last_of_month(day):
            charges.append(
                _other(organization, cloud, "Tax", "Tax", "Sales tax of the month", cents(billed * TAX_RATE))
            )
        if calendar.is_last_of_month(day):
            billed_this_month[cloud] = Decimal(0)
        yield from (row | when for row in charges)


def _service(organization: Organization, line: dict[str, str]) -> Service:
    cloud, team = line["cloud"], line["team"]
    account = f"{cloud}-{line['sub_account']}"
    entity = entities(organization.slug)[team] if team else None
    sku = f"{cloud}-{line['meter']}-{line['region']}".lower().replace(" ", "-")
    tags = {"environment": "dev" if line["sub_account"] in ("development", "corp-sandbox") else "prod"}
    if entity:
        tags |= {"team": entity.name, "cost_center": entity.cost_centre}
    row = template(organization, NAMES[cloud], cloud, team) | {
        "SubAccountId": account,
        "SubAccountName": line["sub_account"],
        "SubAccountType": {"aws": "Account", "gcp": "Project", "azure": "Subscription"}[cloud],
        "ServiceName": line["service"],
        "ServiceCategory": line["category"],
        "ServiceSubcategory": line["subcategory"],
        "RegionId": line["region"],
        "RegionName": line["region_name"],
        "ResourceId": f"{account}/{line['resource']}" if line["resource"] else None,
        "ResourceName": line["resource"] or None,
        "ResourceType": line["resource_type"] or None,
        "ChargeDescription": f"{line['service']}: {line['meter']} in {line['region_name']}",
        "ConsumedUnit": line["unit"],
        "PricingUnit": line["unit"],
        "ListUnitPrice": Decimal(line["unit_price"]),
        "ContractedUnitPrice": Decimal(line["unit_price"]) * NEGOTIATED,
        "SkuId": sku,
        "SkuMeter": line["meter"],
        "SkuPriceId": f"{sku}.on-demand",
        "SkuPriceDetails": {"PricingModel": "committed" if line["commitment"] else "on-demand"},
        "Tags": tags,
        "x_service_model": line["service_model"],
        "x_cloud_provider": cloud,
        "x_cloud_account_id": account,
    }
    if line["commitment"]:
        row |= _commitment_columns(organization, cloud) | {
            "CommitmentDiscountStatus": "Used",
            "PricingCategory": "Committed",
        }
    return Service(
        cloud=cloud,
        resource=line["resource"],
        unit_price=Decimal(line["unit_price"]),
        daily_quantity=float(line["daily_quantity"]),
        weekend=float(line["weekend"]),
        growth=float(line["growth"]),
        discount=Decimal(line["commitment"]) if line["commitment"] else None,
        row=row,
    )


def _boost(organization: Organization, item: Service, day: date, runaway: set[date]) -> float:
    return ANOMALY.get((organization.slug, item.resource), 1.0) if day in runaway else 1.0


def _usage(organization: Organization, item: Service, day: date, tide: float, random: Random) -> Row:
    """One day of one service; what a commitment covers is billed with the commitment, not with the usage."""
    noise = random.gauss(1, 0.05)
    # A committed fleet runs steadily: that is why it was committed.
    share = min(1.0, noise * 0.01 + 0.985) if item.is_prepaid else max(noise, 0.5) * tide
    share *= calendar.level(day, item.weekend, item.growth) if not item.is_prepaid else 1
    quantity = Decimal(round(item.daily_quantity * share, 4)).quantize(Decimal("0.0001"))
    listed = quantity * item.unit_price
    contracted = listed * NEGOTIATED
    effective = contracted * (1 - (item.discount or 0))
    row = item.row | {"ConsumedQuantity": quantity, "PricingQuantity": quantity}
    row |= costs(listed, contracted, Decimal(0) if item.is_prepaid else contracted, effective)
    if item.discount is not None:
        row |= {"CommitmentDiscountQuantity": row["EffectiveCost"], "CommitmentDiscountUnit": organization.currency}
    return row


def _commitment(
    organization: Organization, cloud: str, items: list[Service], usage: list[Row], day: date
) -> Iterator[Row]:
    """The fee of a commitment (daily for AWS, on the first of the month for Azure) and the part that nothing used."""
    prepaid = [item for item in items if item.is_prepaid]
    if not prepaid:
        return
    fee = cents(sum((item.committed_cost for item in prepaid), Decimal(0)) * HEADROOM)
    used = sum((row["EffectiveCost"] for row in usage if row["CommitmentDiscountStatus"] == "Used"), Decimal(0))
    base = prepaid[0].row | {
        "ResourceId": None,
        "ResourceName": None,
        "ResourceType": None,
        "ConsumedUnit": None,
        "PricingUnit": organization.currency,
        "ListUnitPrice": Decimal(1),
        "ContractedUnitPrice": Decimal(1),
        "CommitmentDiscountUnit": organization.currency,
        "x_amortization_class": "Amortized",
        "Tags": None,
    }
    unused = max(fee - used, Decimal(0))
    yield (
        base
        | costs(unused, unused, Decimal(0), unused)
        | {
            "ChargeDescription": f"Unused part of {base['CommitmentDiscountName']}",
            "CommitmentDiscountStatus": "Unused",
            "CommitmentDiscountQuantity": unused,
            "PricingQuantity": unused,
        }
    )
    due = (
        cents(fee * (1 - AWS_UPFRONT))
        if cloud == "aws"
        else fee * calendar.days_in_month(day)
        if day.day == 1
        else None
    )
    if due is not None:
        yield (
            base
            | costs(due, due, due, Decimal(0))
            | {
                "ChargeCategory": "Purchase",
                "ChargeFrequency": "Recurring",
                "ChargeDescription": f"Fee of {base['CommitmentDiscountName']}",
                "CommitmentDiscountStatus": None,
                "CommitmentDiscountQuantity": due,
                "PricingCategory": "Committed",
                "PricingQuantity": due,
                "ServiceName": PURCHASE_SERVICE[cloud],
            }
        )


def _commitment_columns(organization: Organization, cloud: str) -> Row:
    kind, category, name = COMMITMENTS[cloud]
    return {
        "CommitmentDiscountId": f"{cloud}-commitment-{organization.slug}",
        "CommitmentDiscountName": name,
        "CommitmentDiscountCategory": category,
        "CommitmentDiscountType": kind,
    }


def _occasional(organization: Organization, cloud: str, day: date) -> Iterator[Row]:
    """Credits every month, and every third month a refund that corrects an earlier invoice."""
    if cloud == "gcp" and day.day == 3:
        yield _other(organization, cloud, "Credit", "Compute Engine", "Promotional credit", Decimal("-140.00"))
    if cloud == "aws" and day.day == 10:
        yield _other(organization, cloud, "Credit", "AWS Lambda", "Migration programme credit", Decimal("-85.50"))
    if cloud == "azure" and day.day == 6 and day.month % 3 == 0:
        refund = _other(organization, cloud, "Adjustment", "Bandwidth", "Refund of egress", Decimal("-212.75"))
        yield refund | {"ChargeClass": "Correction"}


def _other(
    organization: Organization, cloud: str, category: str, service: str, description: str, amount: Decimal
) -> Row:
    """A one-time charge or credit that no team is charged for."""
    return (
        template(organization, NAMES[cloud], cloud, "")
        | costs(amount, amount, amount, amount)
        | {
            "ChargeCategory": category,
            "ChargeFrequency": "One-Time",
            "ChargeDescription": description,
            "PricingCategory": None,
            "ServiceName": service,
            "ServiceCategory": "Other",
            "ServiceSubcategory": "Other (Other)",
            "x_service_model": "IaaS",
            "x_cloud_provider": cloud,
        }
    )
