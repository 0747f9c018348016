"""The organisations that live in the local cloud: who they are, their teams and the key that opens each."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True, slots=True)
class Organization:
    """The master data of one organisation in the shared tables."""

    slug: str
    company_name: str
    admin_email: str
    currency: str
    country: str
    language: str
    timezone: str
    plan: str
    fiscal_year_start_month: int
    created_at: datetime
    api_key: str
    daily_runs: int

    @property
    def dataset_id(self) -> str:
        """The dataset of the organisation's own data."""
        return f"{self.slug}_prod"


@dataclass(frozen=True, slots=True)
class Entity:
    """One department or team of an organisation's hierarchy."""

    entity_id: str
    name: str
    parent_id: str | None
    parent_name: str | None
    owner_name: str
    owner_email: str
    cost_centre: str
    monthly_budget: Decimal

    @property
    def level_code(self) -> str:
        """``department`` at the top, ``team`` below."""
        return "team" if self.parent_id else "department"

    @property
    def path_ids(self) -> list[str]:
        """The entity ids from the top to this entity."""
        return [self.parent_id, self.entity_id] if self.parent_id else [self.entity_id]

    @property
    def path_names(self) -> list[str]:
        """The names from the top to this entity."""
        return [self.parent_name, self.name] if self.parent_name else [self.name]

    @property
    def path(self) -> str:
        """The entity ids from the top to this entity, each preceded by a slash."""
        return "".join(f"/{entity_id}" for entity_id in self.path_ids)


ACME = Organization(
    slug="acme_inc",
    company_name="Acme Inc",
    admin_email="finops@acme.example",
    currency="USD",
    country="US",
    language="en-US",
    timezone="America/New_York",
    plan="ENTERPRISE",
    fiscal_year_start_month=1,
    created_at=datetime(2024, 2, 5, 9, 30, tzinfo=UTC),
    api_key="demo-acme-key",
    daily_runs=40,
)
GLOBEX = Organization(
    slug="globex_inc",
    company_name="Globex Inc",
    admin_email="cloud@globex.example",
    currency="EUR",
    country="DE",
    language="de-DE",
    timezone="Europe/Berlin",
    plan="PROFESSIONAL",
    fiscal_year_start_month=4,
    created_at=datetime(2024, 6, 17, 8, 0, tzinfo=UTC),
    api_key="demo-globex-key",
    daily_runs=25,
)
DEMO = {organization.slug: organization for organization in (ACME, GLOBEX)}


def focus_organization(currency: str) -> Organization:
    """Return the organisation that a FOCUS file is loaded into, reading its costs in ``currency``."""
    return Organization(
        slug="focus_inc",
        company_name="FOCUS file",
        admin_email="owner@focus.example",
        currency=currency,
        country="US",
        language="en-US",
        timezone="UTC",
        plan="ENTERPRISE",
        fiscal_year_start_month=1,
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        api_key="demo-focus-key",
        daily_runs=10,
    )


@cache
def entities(org: str) -> dict[str, Entity]:
    """Return the hierarchy of a demo organisation by entity id, departments before their teams."""
    rows = list(table("teams", org))
    names = {row["entity_id"]: row["entity_name"] for row in rows}
    return {
        row["entity_id"]: Entity(
            entity_id=row["entity_id"],
            name=row["entity_name"],
            parent_id=row["parent_id"] or None,
            parent_name=names.get(row["parent_id"]),
            owner_name=row["owner_name"],
            owner_email=row["owner_email"],
            cost_centre=row["cost_centre"],
            monthly_budget=Decimal(row["monthly_budget"]),
        )
        for row in rows
    }


def table(name: str, org: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one of the demo tables that belong to ``org``."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["org"] == org)


API_KEYS = {item.slug: item.api_key for item in (*DEMO.values(), focus_organization("USD"))}
