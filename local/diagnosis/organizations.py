"""An organisation: whether it can sign in, has a model and has costs; and the record behind all of them."""

from google.api_core import exceptions as google
from google.cloud import bigquery

from common.app import Services
from common.organizations.api_keys import serves
from common.record.backlog import Backlog
from common.tenant import Tenant
from local.data.warehouse import COSTS
from local.diagnosis.finding import Finding


async def organization(services: Services, tenant: Tenant, client: bigquery.Client) -> list[Finding]:
    """Look at what a question of this organisation needs."""
    slug = tenant.org_slug
    profile = await services.profiles.read(tenant)
    if profile is None:
        return [Finding(slug, "fault", "there is no such organisation", "python -m local org create")]
    found = []
    if profile["status"] != "ACTIVE":
        remedy = "python -m local org resume" if profile["status"] == "SUSPENDED" else ""
        found.append(Finding(slug, "fault", f"it is {profile['status']}, so its keys are refused", remedy))
    keys = await services.api_keys.stored(tenant)
    if not any(serves(key, services.clock()) for key in keys):
        found.append(Finding(slug, "fault", f"none of its {len(keys)} keys is active", "python -m local key create"))
    status = services.settings_view.status(await services.directory.renew(tenant))
    if not status["configured"]:
        found.append(Finding(slug, "fault", str(status.get("message")), "python -m local settings set"))
    if (rows := _costs(client, tenant)) == 0:
        found.append(Finding(slug, "fault", "it has no costs", "python -m local focus load"))
    said = f"active keys, {status.get('provider')}/{status.get('model_id')}, {rows:,} rows of costs"
    return found or [Finding(slug, "ok", said)]


async def record(services: Services) -> list[Finding]:
    """Look at what the record still lacks."""
    measured = await Backlog(services.documents, services.clock).measure()
    if measured["status"] == "rejected":
        said = f"BigQuery rejects {measured['rejected']:,} rows"
        return [Finding("record", "fault", said, "python -m local record list")]
    if measured["status"] == "behind":
        said = f"the oldest row waits for {measured['oldest_seconds']:,} s"
        return [
            Finding("record", "fault", said, "see the job chat-sync of Cloud Scheduler, and sync.stopped in the log")
        ]
    return [Finding("record", "ok", "nothing is rejected, and nothing waits for long")]


def _costs(client: bigquery.Client, tenant: Tenant) -> int:
    """The rows of costs; a table that is not there is said elsewhere, and has none."""
    try:
        return int(client.get_table(f"{tenant.project_id}.{tenant.dataset}.{COSTS}").num_rows or 0)
    except google.NotFound:
        return 0
