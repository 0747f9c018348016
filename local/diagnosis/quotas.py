"""The project's quotas: those that Service Usage tells, held to what the product needs; and those that nobody tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google.auth
import requests
from google.auth.transport.requests import AuthorizedSession

from common.settings import Settings
from local.diagnosis.finding import Finding
from local.diagnosis.rights import FUNCTIONS

SERVICE_USAGE = "https://serviceusage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 20.0
_PAGE = 500
_ASK = "ask for more: https://console.cloud.google.com/iam-admin/quotas"
# What Google sends for a quota without a limit, beside -1.
_UNLIMITED = 2**62
# The accounts that terraform/service_accounts.tf makes beside the functions' own.
_OTHER_ACCOUNTS = 2


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota by its metric: the least that the product needs of it, and what it bounds, with its units as ``{n}``."""

    subject: str
    metric: str
    least: int
    bounds: str
    divisor: int = 1

    @property
    def service(self) -> str:
        return self.metric.partition("/")[0]


# As terraform/README.md lists them.
QUOTAS = (
    Quota(
        "Cloud Run instances",
        "run.googleapis.com/cpu_allocation",
        20_000,
        "{n} instances of one vCPU at a time, all functions together",
        1_000,
    ),
    Quota("KMS requests", "cloudkms.googleapis.com/crypto_requests", 3_600, "{n} turns a minute"),
    Quota(
        "service accounts",
        "iam.googleapis.com/quota/service-account-count",
        len(FUNCTIONS) + _OTHER_ACCOUNTS,
        f"{{n}} accounts: {len(FUNCTIONS) + _OTHER_ACCOUNTS} of the deployment, one of each organisation that has one",
    ),
    Quota(
        "Cloud Build",
        "cloudbuild.googleapis.com/concurrent_public_pool_build_cpus",
        1,
        "builds with {n} CPUs in all at a time",
    ),
)
# What is no quota that could be asked for.
UNTOLD = (
    Finding(
        "quota BigQuery concurrency",
        "unknown",
        "Google tells no number: queries queue for slots",
        "see the queue time and slots of the jobs in Cloud Monitoring; a reservation has more",
    ),
    Finding(
        "quota Firestore writes of one document",
        "unknown",
        "about 1 a second, a rule and not a quota: counters are sharded for it",
    ),
)


@dataclass(frozen=True, slots=True)
class QuotaCheck:
    """Reads the quotas of a project in a region; ``session`` sends the requests, as the operator."""

    project: str
    region: str
    session: requests.Session
    address: str = SERVICE_USAGE

    def findings(self) -> list[Finding]:
        """A finding for each quota; what Google does not tell is unknown, never taken as enough."""
        return [*map(self._finding, QUOTAS), *UNTOLD]

    def _finding(self, quota: Quota) -> Finding:
        subject = f"quota {quota.subject}"
        path = f"{self.address}/v1beta1/projects/{self.project}/services/{quota.service}/consumerQuotaMetrics"
        found: list[Mapping[str, Any]] = []
        token = ""
        while True:
            asked = {"pageSize": str(_PAGE), **({"pageToken": token} if token else {})}
            response = self.session.get(path, params=asked, timeout=_SECONDS)
            if response.status_code in (401, 403):
                return Finding(subject, "unknown", "this account may not see it", "roles/servicemanagement.quotaViewer")
            if not response.ok:
                return Finding(subject, "unknown", f"Service Usage answered with {response.status_code}", _ASK)
            body = response.json()
            found += body.get("metrics", ())
            token = body.get("nextPageToken", "")
            if not token:
                break
        limits = [_limit(each, self.region) for each in found if each.get("metric") == quota.metric]
        known = [limit for limit in limits if limit is not None]
        if not known:
            return Finding(subject, "unknown", f"Google does not tell {quota.metric} of this project", _ASK)
        return _judged(subject, quota, min(known))


def quotas(settings: Settings, region: str) -> list[Finding]:
    """Look at the quotas with the operator's own credentials. Raises GoogleAuthError."""
    if settings.bigquery_emulator_host:
        return [Finding("quotas", "unknown", "an emulator has none")]
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    with AuthorizedSession(credentials) as session:
        return QuotaCheck(settings.gcp_project_id, region, session).findings()


def _judged(subject: str, quota: Quota, limit: int) -> Finding:
    if limit >= _UNLIMITED:
        return Finding(subject, "ok", "no limit")
    bounds = quota.bounds.format(n=f"{limit // quota.divisor:,}")
    if limit < quota.least:
        return Finding(subject, "fault", f"{bounds}; {quota.least // quota.divisor:,} are needed", _ASK)
    return Finding(subject, "ok", bounds)


def _limit(metric: Mapping[str, Any], region: str) -> int | None:
    """The least of a metric's limits in the region; None where it tells none. What is without a limit is very much."""
    found = []
    for limit in metric.get("consumerQuotaLimits", ()):
        buckets = limit.get("quotaBuckets", ())
        here = [each for each in buckets if (each.get("dimensions") or {}).get("region") == region]
        # Where the region has none of its own, the one for all counts.
        for bucket in here or [each for each in buckets if not each.get("dimensions")]:
            if "effectiveLimit" in bucket:
                value = int(bucket["effectiveLimit"])
                found.append(value if value >= 0 else _UNLIMITED)
    return min(found, default=None)
