"""Small FOCUS files, made for the tests: one row that every version has, and what each version adds or lacks."""

import csv
import io
from collections.abc import Mapping, Sequence

BASE: dict[str, str] = {
    "BilledCost": "12.345678901234",
    "BillingAccountId": "acct-1",
    "BillingAccountName": "Main",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2024-09-01 00:00:00",
    "BillingPeriodEnd": "2024-10-01 00:00:00",
    "ChargeCategory": "Usage",
    "ChargeClass": "NULL",
    "ChargeDescription": "Hours of a machine",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodStart": "2024-09-30 00:00:00",
    "ChargePeriodEnd": "2024-10-01 00:00:00",
    "ConsumedQuantity": "24",
    "ConsumedUnit": "Hours",
    "ContractedCost": "12",
    "EffectiveCost": "11.5",
    "InvoiceIssuerName": "Example Cloud LLC",
    "ListCost": "15",
    "PricingQuantity": "2.4E1",
    "ServiceCategory": "Compute",
    "ServiceName": "Machines",
    "SubAccountId": "sub-1",
    "Tags": '{"team": "data"}',
}
FOCUS_1_0 = BASE | {
    "AvailabilityZone": "zone-a",
    "ProviderName": "AWS",
    "PublisherName": "Example Publisher",
    "ServiceSubcategory": "NULL",
}
FOCUS_1_1 = FOCUS_1_0 | {
    "CapacityReservationId": "cr-1",
    "CapacityReservationStatus": "Used",
    "CommitmentDiscountQuantity": "3",
    "CommitmentDiscountUnit": "Hours",
    "ServiceSubcategory": "Virtual Machines",
    "SkuMeter": "Compute Usage",
    "SkuPriceDetails": '{"CoreCount": 4}',
}
FOCUS_1_2 = FOCUS_1_1 | {
    "BillingAccountType": "Payer",
    "InvoiceId": "inv-9",
    "PricingCurrency": "USD",
    "PricingCurrencyEffectiveCost": "11.5",
    "SubAccountType": "Account",
}
FOCUS_1_3 = {name: value for name, value in FOCUS_1_2.items() if name not in ("ProviderName", "PublisherName")} | {
    "AllocatedMethodId": "split-1",
    "AllocatedTags": '{"pod": "web"}',
    "ContractApplied": '{"ContractId": "c-1"}',
    "HostProviderName": "Microsoft",
    "ServiceProviderName": "Example SaaS",
}
VERSIONS: dict[str, Mapping[str, str]] = {"1.0": FOCUS_1_0, "1.1": FOCUS_1_1, "1.2": FOCUS_1_2, "1.3": FOCUS_1_3}


def as_csv(rows: Sequence[Mapping[str, str]], line_end: str = "\n") -> bytes:
    """Write rows of equal columns as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
