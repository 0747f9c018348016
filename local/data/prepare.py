"""Makes the local cloud ready to answer: datasets, tables, the demo organisations and, where given, a FOCUS bill."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from google.cloud import bigquery
from rich.console import Console
from rich.progress import Progress, TaskID

from common.warehouse import schema
from local.data import access, alerts, calendar, demo, drivers, operations, warehouse
from local.data.access import Encrypt
from local.data.catalog.loading import SmallCut
from local.data.focus.loading import Load, stored_team_tag, stored_teams
from local.data.focus.summary import Loaded
from local.data.organizations import DEMO, Organization, focus_organization
from local.data.progress import bars, watching
from local.data.rows import Row

FOCUS_ORG = "focus_inc"


def prepare(
    client: bigquery.Client,
    encrypt: Encrypt,
    today: date,
    bill: str | Path | Sequence[str | Path] | None,
    console: Console,
    team_tag: str | None = None,
) -> Loaded | None:
    """Create what is missing and load what is not loaded yet; return what the bill held, None if nothing was loaded.

    ``encrypt`` is ``access.kms_encrypt(kms_client, key_name)``. A FOCUS bill is read whole before anything of it is
    loaded: FocusFileError leaves focus_inc as it was. What is already loaded for ``today`` is left alone.
    """
    with bars(console) as progress:
        # First, so that a file that cannot be read is said at once and nothing is touched.
        load = _read_bill(client, bill, today, team_tag, progress, console)
        try:
            task = progress.add_task("Datasets and tables", total=1)
            warehouse.create(client, (*demo.ORGS, *([FOCUS_ORG] if load else [])))
            progress.advance(task)
            catalog = SmallCut(client)
            catalog.start()
            # BigQuery loads one organisation's rows while the next one's are made.
            loads = [DemoLoad(client, organization, today, progress) for organization in DEMO.values()]
            for demo_load in loads:
                demo_load.start()
            for demo_load in loads:
                demo_load.finish(encrypt)
            catalog.finish()
            loaded = _load_bill(client, encrypt, load, today) if load else None
        finally:
            if load:
                load.close()
    if loaded:
        console.print(loaded.text, markup=False, highlight=False, soft_wrap=True)
    return loaded


def organization_rows(
    organization: Organization, today: date, costs: operations.DailyCosts, encrypt: Encrypt
) -> dict[str, list[Row]]:
    """Return a demo organisation's rows of the shared tables; ``costs`` are its daily billed costs by kind."""
    return {
        **_access_rows(organization, today, encrypt),
        "org_subscriptions": operations.subscription(organization),
        "org_hierarchy": operations.hierarchy_rows(organization),
        "org_usage_quotas": operations.quotas(organization, today),
        "org_meta_pipeline_runs": operations.pipeline_runs(organization, today),
        "org_notification_rules": alerts.rules(organization),
        "org_alert_history": alerts.history(organization, today, costs),
        "org_budgets": operations.budgets(organization, today),
        "org_budget_allocations": operations.budget_allocations(organization, today),
    }


class DailyTotals:
    """Adds up rows as they pass, so that alerts can quote the costs that are loaded."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.by_day: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows unchanged, adding those in the organisation's currency to their day and kind."""
        for row in rows:
            if row["BillingCurrency"] == self.currency:
                kind = "genai" if row["x_genai_provider"] else "cloud" if row["x_cloud_provider"] else "subscription"
                self.by_day[row["ChargePeriodStart"].date(), kind] += row["BilledCost"]
            yield row


def _access_rows(organization: Organization, today: date, encrypt: Encrypt) -> dict[str, list[Row]]:
    return {
        "org_profiles": operations.profile(organization),
        "org_api_keys": access.api_keys(organization, today),
        "org_integration_credentials": access.credentials(organization, encrypt),
        "org_chat_settings": access.chat_settings(organization),
    }


class DemoLoad:
    """Brings one demo organisation to where it should be today, or sees that it is there already."""

    def __init__(self, client: bigquery.Client, organization: Organization, today: date, progress: Progress) -> None:
        self.client = client
        self.organization = organization
        self.today = today
        self.progress = progress
        self.mark = f"demo-{_generation()}-{today.isoformat()}"
        self.dataset = f"{client.project}.{warehouse.tenant_dataset(organization.slug)}"
        self.totals = DailyTotals(organization.currency)
        self.jobs: list[bigquery.LoadJob] = []
        self.task = TaskID(0)

    def start(self) -> None:
        """Start loading the organisation's own tables."""
        org = self.organization.slug
        if warehouse.mark(self.client, f"{self.dataset}.{warehouse.COSTS}") == self.mark:
            self.progress.add_task(f"{org}: loaded already", total=1, completed=1)
            return
        days = (self.today - calendar.first_day(self.today)).days + 1
        self.task = self.progress.add_task(f"{org}: {days} days of costs", total=days + 1)
        costs = self.totals.watch(_tell(demo.cost_rows(org, self.today), self.progress, self.task))
        own = (
            (warehouse.COSTS, costs),
            (warehouse.USAGE, demo.usage_rows(org, self.today)),
            (drivers.TABLE, drivers.demo_rows(org, self.today)),
        )
        for table, rows in own:
            job = warehouse.replace_rows(self.client, f"{self.dataset}.{table}", schema.load("tenant", table), rows)
            self.jobs.append(job)

    def finish(self, encrypt: Encrypt) -> None:
        """Load the organisation's rows of the shared tables and wait for what was started."""
        if not self.jobs:
            return
        shared = organization_rows(self.organization, self.today, self.totals.by_day, encrypt)
        for table, rows in shared.items():
            warehouse.replace_demo_rows(self.client, self.organization.slug, table, rows)
        for job in self.jobs:
            warehouse.wait_for(job)
        # Last, so that a run that was interrupted is done again.
        warehouse.set_mark(self.client, f"{self.dataset}.{warehouse.COSTS}", self.mark)
        self.progress.advance(self.task)


def _read_bill(
    client: bigquery.Client,
    bill: str | Path | Sequence[str | Path] | None,
    today: date,
    team_tag: str | None,
    progress: Progress,
    console: Console,
) -> Load | None:
    """Read and check the bill; None where there is none, or where its rows are what focus_inc holds already."""
    if not bill:
        return None
    given = [bill] if isinstance(bill, str | Path) else bill
    tag = team_tag or stored_team_tag(client, FOCUS_ORG)
    load = Load(client, FOCUS_ORG, given, today, tag, watching(progress))
    try:
        if load.is_done():
            names = ", ".join(Path(each).name for each in given)
            console.print(f"{names}: loaded already", markup=False, highlight=False)
            load.close()
            return None
        load.read(stored_teams(client, FOCUS_ORG))
        return load
    except BaseException:
        load.close()
        raise


def _load_bill(client: bigquery.Client, encrypt: Encrypt, load: Load, today: date) -> Loaded:
    assert load.summary is not None
    organization = focus_organization(load.summary.currencies[0])
    rows = _access_rows(organization, today, encrypt)
    rows["org_profiles"] = operations.profile(organization, load.team_tag)
    for name, made in rows.items():
        warehouse.replace_demo_rows(client, FOCUS_ORG, name, made)
    return load.replace()


def _tell(rows: Iterator[Row], progress: Progress, task: TaskID) -> Iterator[Row]:
    """Yield the rows, advancing the bar by one for each day that begins."""
    last = None
    for row in rows:
        if row["ChargePeriodStart"] != last:
            last = row["ChargePeriodStart"]
            progress.advance(task)
        yield row


@cache
def _generation() -> str:
    """Return a short text that changes with the code and tables that make the data, so that new code reloads it."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted([*folder.glob("*.py"), *folder.glob("tables/*.csv")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
