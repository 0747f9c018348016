"""Reads a FOCUS 1.0 to 1.3 CSV into rows of cost_data_standard_1_3, in one pass and without keeping rows in memory.

What older versions lack is filled as ``FALLBACKS`` says; columns the table does not have are left out and named in the
summary. Columns of the pipeline (x_org_*, x_pipeline_id, x_run_id, …) are always this loader's own.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO

from common.warehouse import schema
from local.data.calendar import midnight
from local.data.focus_file import FocusFile, Problems, Progress
from local.data.focus_values import NULL, NULL_TEXTS, READERS, Reader, ValueProblem

TABLE = schema.load("tenant", "cost_data_standard_1_3")
# A required column that a row leaves empty takes the first of these that it has; each may build on the one before.
FALLBACKS: dict[str, tuple[str, ...]] = {
    "ServiceProviderName": ("ProviderName",),
    "HostProviderName": ("ServiceProviderName",),
    "InvoiceIssuerName": ("PublisherName", "ServiceProviderName"),
    "ContractedCost": ("EffectiveCost",),
    "ListCost": ("ContractedCost",),
}
OWN_PREFIXES = ("x_org_", "x_pipeline", "x_ingest", "x_run_id", "x_credential_id")
# The start of a provider's name, in lower case, and the cloud it is.
CLOUDS = {
    "aws": "aws",
    "amazon": "aws",
    "microsoft": "azure",
    "azure": "azure",
    "google": "gcp",
    "gcp": "gcp",
    "oracle": "oci",
    "oci": "oci",
    "alibaba": "alibaba",
    "ibm": "ibm",
    "tencent": "tencent",
    "huawei": "huawei",
    "digitalocean": "digitalocean",
    "ovh": "ovh",
}
GENAI = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google gemini": "gemini",
    "gemini": "gemini",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "cohere": "cohere",
}
PIPELINE = "focus-file"

REQUIRED = tuple(field.name for field in TABLE.fields if field.mode == "REQUIRED")

# (position in the file, column, reader)
Plan = list[tuple[int, str, Reader]]


@dataclass(frozen=True, slots=True)
class Summary:
    """What one file held."""

    path: Path
    fingerprint: str
    rows: int
    ignored_columns: tuple[str, ...]
    filled: dict[str, int]
    first_day: date | None
    last_day: date | None
    currencies: tuple[str, ...]
    providers: tuple[str, ...]

    @property
    def text(self) -> str:
        """What the file held and what was done to it, in a few lines for the terminal."""
        lines = [
            f"{self.path.name}: {self.rows:,} rows, {self.first_day} to {self.last_day}, "
            f"{', '.join(self.currencies)}, {', '.join(self.providers)}"
        ]
        if self.ignored_columns:
            lines.append(f"  not columns of the table, left out: {', '.join(self.ignored_columns)}")
        lines += [f"  {what}: filled in {count:,} rows" for what, count in self.filled.items()]
        return "\n".join(lines)


def convert(path: Path, out: IO[bytes], today: date, progress: Progress = lambda _position: None) -> Summary:
    """Write every row of the file to ``out`` as newline-delimited JSON; raises FocusFileError naming row and column.

    ``progress`` is told how many bytes of the file have been read. ``out`` is of no use after an error.
    """
    return _Conversion(path, out, today, progress).run()


def fingerprint(path: Path) -> str:
    """Return a short text that changes when the file's content does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


class _Conversion:
    """One pass over one file."""

    def __init__(self, path: Path, out: IO[bytes], today: date, progress: Progress) -> None:
        self.path = path
        self.out = out
        self.problems = Problems(path)
        self.file = FocusFile(path, self.problems, progress)
        self.constant = _constants(path, today)
        self.needed = set(REQUIRED) - self.constant.keys()
        self.filled: Counter[str] = Counter()
        self.days: set[str] = set()
        self.currencies: Counter[str] = Counter()
        self.providers: Counter[str] = Counter()

    def run(self) -> Summary:
        plan: Plan | None = None
        ignored: list[str] = []
        rows = 0
        for row, cells in self.file:
            if plan is None:
                plan, ignored = self._plan(self.file.header)
            values = self._read(row, cells, plan)
            if values is not None and not self.problems.total:
                self.out.write(self._line(row, values))
                rows += 1
        if plan is None:
            _plan, ignored = self._plan(self.file.header)
        if self.problems.total:
            raise self.problems.error()
        if not rows:
            raise self.problems.stop(None, None, "the file has a header but no rows")
        days = sorted(self.days)
        return Summary(
            path=self.path,
            fingerprint=fingerprint(self.path),
            rows=rows,
            ignored_columns=tuple(ignored),
            filled=dict(self.filled),
            first_day=_day(days[0]),
            last_day=_day(days[-1]),
            currencies=tuple(name for name, _count in self.currencies.most_common()),
            providers=tuple(name for name, _count in self.providers.most_common()),
        )

    def _plan(self, header: list[str]) -> tuple[Plan, list[str]]:
        """Decide what to do with each column of the file."""
        known = {field.name.lower(): field for field in TABLE.fields}
        counts = Counter(name.lower() for name in header)
        for name in dict.fromkeys(name for name in header if counts[name.lower()] > 1):
            self.problems.add(1, name or "(no name)", "appears more than once in the header")
        plan: Plan = []
        ignored = []
        for position, name in enumerate(header):
            field = known.get(name.lower())
            if field is None or field.name.startswith(OWN_PREFIXES):
                ignored.append(name)
                continue
            plan.append((position, field.name, READERS[field.type]))
        present = {column for _position, column, _reader in plan}
        if "BilledCost" not in present and "ChargePeriodStart" not in present:
            raise self.problems.stop(1, None, _not_focus(header))
        for column in _missing({column for column in REQUIRED if _can_be_filled(column, present)}):
            self.problems.add(1, column, "is required by FOCUS and missing from the header")
        if self.problems.total:
            raise self.problems.error()
        return plan, ignored

    def _read(self, row: int, cells: list[str], plan: Plan) -> dict[str, str] | None:
        """Return the JSON text of each cell that is not NULL, or None where something cannot be read."""
        values: dict[str, str] = {}
        before = self.problems.total
        for position, column, reader in plan:
            cell = cells[position]
            if cell in NULL_TEXTS or cell.strip() in NULL_TEXTS:
                continue
            try:
                values[column] = reader(cell)
            except ValueProblem as problem:
                self.problems.add(row, column, str(problem))
                values[column] = NULL
        for column, sources in FALLBACKS.items():
            source = next((name for name in sources if name in values), None)
            if column not in values and source:
                values[column] = values[source]
                self.filled[f"{column} from {source}"] += 1
        if not self.needed <= values.keys():
            for column in _missing(values.keys() | self.constant.keys()):
                self.problems.add(row, column, "is empty, and FOCUS requires a value")
        return values if self.problems.total == before else None

    def _line(self, row: int, values: dict[str, str]) -> bytes:
        """Complete a row with what the pipeline adds and return it as one line of JSON."""
        self.days.add(values["ChargePeriodStart"][1:11])
        self.currencies[json.loads(values["BillingCurrency"])] += 1
        provider = values["ServiceProviderName"]
        self.providers[json.loads(provider)] += 1
        values = _kind_of_cost(values) | values | self.constant
        values.setdefault("x_source_record_id", f'"{row}"')
        return ("{" + ",".join(f'"{name}":{text}' for name, text in values.items()) + "}\n").encode()


def _kind_of_cost(values: dict[str, str]) -> dict[str, str]:
    """Say whether a row is a cloud's or a GenAI provider's, from the provider's name; NULL for any other."""
    kind = _kind_of_provider(values["ServiceProviderName"])
    if "x_cloud_provider" in kind and "SubAccountId" in values:
        return kind | {"x_cloud_account_id": values["SubAccountId"]}
    return kind


@lru_cache(maxsize=1024)
def _kind_of_provider(quoted_name: str) -> dict[str, str]:
    name = json.loads(quoted_name).strip().lower()
    for start, vendor in GENAI.items():
        if name == start or name.startswith(f"{start} "):
            return {"x_genai_provider": f'"{vendor}"', "x_genai_cost_type": '"payg"'}
    for start, cloud in CLOUDS.items():
        if name == start or name.startswith((f"{start} ", f"{start},")):
            return {"x_cloud_provider": f'"{cloud}"'}
    return {}


def _constants(path: Path, today: date) -> dict[str, str]:
    now = f'"{midnight(today).isoformat(sep=" ")}"'
    day = f'"{today.isoformat()}"'
    return {
        "x_source_system": json.dumps(path.name, ensure_ascii=False),
        "x_org_slug": '"focus_inc"',
        "x_ingestion_date": day,
        "x_pipeline_id": f'"{PIPELINE}"',
        "x_credential_id": '"demo-focus_inc-file"',
        "x_pipeline_run_date": day,
        "x_run_id": f'"{PIPELINE}-{today:%Y%m%d}"',
        "x_ingested_at": now,
        "x_created_at": now,
        "x_updated_at": now,
    }


def _can_be_filled(column: str, present: set[str]) -> bool:
    """Say whether a required column is in the file, filled from one that is, or this loader's own."""
    if column in present or column.startswith(OWN_PREFIXES):
        return True
    return any(_can_be_filled(source, present) for source in FALLBACKS.get(column, ()))


def _missing(present: Set[str]) -> list[str]:
    """Return the required columns that are not there, without those that only follow from another one's absence."""
    absent = [column for column in REQUIRED if column not in present]
    return [column for column in absent if not any(source in absent for source in FALLBACKS.get(column, ()))]


def _not_focus(header: list[str]) -> str:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return "no FOCUS columns in the header; fields must be separated by commas"
    return "no FOCUS columns in the header (BilledCost, ChargePeriodStart, …): is this a FOCUS export?"


def _day(text: str) -> date:
    return datetime.fromisoformat(text).date()
