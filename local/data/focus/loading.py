"""A bill loaded into an organisation's costs: read, checked, its months replaced, and the run recorded."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from common.warehouse import schema
from local.data.focus import replacing
from local.data.focus.bill import read_bill, write_parquet
from local.data.focus.files import NoFilesError, Source, find, fingerprint
from local.data.focus.problems import FocusFileError
from local.data.focus.summary import Loaded, Summary
from local.data.focus.teams import Team
from local.data.focus.workspace import Watch, Workspace, quoted, watch_nothing
from local.data.warehouse import COSTS, SHARED, tenant_dataset

PIPELINE = "focus-file"
CREDENTIAL = "focus-file"
_RUNS = "org_meta_pipeline_runs"


def find_files(given: Sequence[str | Path]) -> list[Source]:
    """Return the files that were named. Raises FocusFileError."""
    try:
        return find(given)
    except NoFilesError as error:
        raise FocusFileError.plain(str(error)) from error


def check(given: Sequence[str | Path], team_tag: str | None = None, watch: Watch = watch_nothing) -> Summary:
    """Read and check a bill, and load nothing. Raises FocusFileError."""
    with Workspace(watch) as workspace:
        return read_bill(workspace, find_files(given), team_tag)


class Load:
    """One bill on its way into the costs of one organisation."""

    def __init__(
        self,
        client: bigquery.Client,
        org: str,
        given: Sequence[str | Path],
        today: date,
        team_tag: str | None = None,
        watch: Watch = watch_nothing,
        shared: str = SHARED,
    ) -> None:
        self.client = client
        self.org = org
        self.shared = shared
        self.today = today
        self.team_tag = team_tag
        self.watch = watch
        self.sources = find_files(given)
        self.summary: Summary | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._parts: list[Path] = []
        self._run_id = ""
        self._began = datetime.now(UTC)

    @property
    def table(self) -> str:
        """The table of the organisation's costs."""
        return f"{self.client.project}.{tenant_dataset(self.org)}.{COSTS}"

    def is_done(self) -> bool:
        """Say whether these very files are what the table holds already, all their rows of them."""
        self._run_id = self._identify()
        recorded = _recorded_rows(self.client, self._run_id, self.shared)
        return recorded is not None and replacing.run_rows(self.client, self.table, self._run_id) == recorded

    def read(self, teams: Sequence[Team] = ()) -> Summary:
        """Read and check the files, and keep their rows aside. Raises FocusFileError; nothing is loaded yet."""
        self._run_id = self._run_id or self._identify()
        self._folder = TemporaryDirectory(prefix="focus-rows-")
        folder = Path(self._folder.name) / "rows"
        with Workspace(self.watch) as workspace:
            self.summary = read_bill(workspace, self.sources, self.team_tag, teams)
            tagged = self.team_tag is not None
            self._parts = write_parquet(workspace, folder, self._constants(), tagged=tagged)
        return self.summary

    def replace(self) -> Loaded:
        """Put the rows that were read in the place of what the same months held before."""
        if self.summary is None:
            raise RuntimeError("the bill is not read yet")
        replaced = replacing.replace_months(self.client, self.table, self._parts, self.summary.months, self.watch)
        self._record(self.summary)
        if self.team_tag:
            store_team_tag(self.client, self.org, self.team_tag, self.shared)
        self.close()
        return Loaded(self.summary, tuple(replaced))

    def close(self) -> None:
        """Remove what was kept aside; safe to call twice."""
        if self._folder is not None:
            self._folder.cleanup()

    def _record(self, summary: Summary) -> None:
        """Write the run into the table of pipeline runs; a run of the same files gets a record each time."""
        ended = datetime.now(UTC)
        row = {
            "pipeline_logging_id": f"{self._run_id}-{self._began:%Y%m%d%H%M%S%f}",
            "org_slug": self.org,
            "pipeline_id": PIPELINE,
            "status": "COMPLETED",
            "trigger_type": "manual",
            "start_time": self._began.isoformat(),
            "end_time": ended.isoformat(),
            "duration_ms": int((ended - self._began).total_seconds() * 1000),
            "run_date": self.today.isoformat(),
            "run_metadata": {"run": self._run_id, "rows": summary.rows, "files": len(summary.files)},
            "created_at": ended.isoformat(),
        }
        fields = schema.load("organizations", _RUNS).fields
        job = self.client.load_table_from_json(
            [row],
            f"{self.client.project}.{self.shared}.{_RUNS}",
            job_config=bigquery.LoadJobConfig(
                schema=[bigquery.SchemaField(field.name, field.type, mode=field.mode) for field in fields],
                write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            ),
        )
        job.result()

    def _identify(self) -> str:
        """Return the id of the run that loads these files in this way: the same for the same."""
        self.watch("Looking at the files", None)
        text = json.dumps([self.org, generation(), fingerprint(self.sources), self.team_tag])
        return f"{PIPELINE}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def _constants(self) -> dict[str, str]:
        day = f"DATE {quoted(self.today.isoformat())}"
        now = f"TIMESTAMPTZ {quoted(self._began.isoformat())}"
        return {
            "x_org_slug": quoted(self.org),
            "x_ingestion_date": day,
            "x_pipeline_id": quoted(PIPELINE),
            "x_credential_id": quoted(CREDENTIAL),
            "x_pipeline_run_date": day,
            "x_run_id": quoted(self._run_id),
            "x_ingested_at": now,
            "x_created_at": now,
            "x_updated_at": now,
        }


def load(
    client: bigquery.Client,
    org: str,
    given: Sequence[str | Path],
    today: date,
    team_tag: str | None = None,
    watch: Watch = watch_nothing,
) -> Loaded:
    """Load a bill into an organisation whose tables are there. Raises FocusFileError, and then loads nothing."""
    loading = Load(client, org, given, today, team_tag or stored_team_tag(client, org), watch)
    try:
        loading.read(stored_teams(client, org))
        return loading.replace()
    finally:
        loading.close()


def stored_team_tag(client: bigquery.Client, org: str, shared: str = SHARED) -> str | None:
    """Return the tag that the organisation's teams are read from, None where none is set."""
    with suppress(NotFound):
        # All columns: a profile that an earlier version made has no such column yet.
        found = client.query_and_wait(
            f"SELECT * FROM `{client.project}.{shared}.org_profiles` WHERE org_slug = @org",
            job_config=_parameters(org=org),
        )
        return next((row.get("team_tag") for row in found), None)
    return None


def store_team_tag(client: bigquery.Client, org: str, team_tag: str, shared: str = SHARED) -> None:
    """Keep the tag with the organisation, so that its next bill is read by it too."""
    client.query_and_wait(
        f"UPDATE `{client.project}.{shared}.org_profiles` SET team_tag = @tag WHERE org_slug = @org",
        job_config=_parameters(tag=team_tag, org=org),
    )


def stored_teams(client: bigquery.Client, org: str, shared: str = SHARED) -> list[Team]:
    """Return the active entities of the organisation's hierarchy."""
    with suppress(NotFound):
        found = client.query_and_wait(
            "SELECT entity_id, entity_name, level_code, path, path_names FROM "
            f"`{client.project}.{shared}.org_hierarchy` WHERE org_slug = @org AND is_active ORDER BY depth, entity_id",
            job_config=_parameters(org=org),
        )
        return [
            Team(row.entity_id, row.entity_name, row.level_code, row.path, " / ".join(row.path_names or ()))
            for row in found
        ]
    return []


def _recorded_rows(client: bigquery.Client, run_id: str, shared: str) -> int | None:
    """Return the rows that the run's record counts, None where there is no such run."""
    with suppress(NotFound):
        found = client.query_and_wait(
            "SELECT CAST(JSON_VALUE(run_metadata, '$.rows') AS INT64) AS line_items "
            f"FROM `{client.project}.{shared}.{_RUNS}` WHERE JSON_VALUE(run_metadata, '$.run') = @run "
            "ORDER BY start_time DESC LIMIT 1",
            job_config=_parameters(run=run_id),
        )
        return next((row.line_items for row in found), None)
    return None


def _parameters(**values: str) -> bigquery.QueryJobConfig:
    parameters = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in values.items()]
    return bigquery.QueryJobConfig(query_parameters=parameters)


@cache
def generation() -> str:
    """Return a short text that changes with the code that reads bills, so that new code loads them anew."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
