"""BigQuery: the tables beside their schema files, and whether this account may do what it has to."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.api_core import exceptions as google
from google.cloud import bigquery

from common.tenant import Tenant
from common.warehouse import schema
from common.warehouse.schema import Dataset
from local.diagnosis.finding import Finding, fault_of
from local.diagnosis.rights import Rights
from local.tables import compare

_ADD = "python -m local tables --add"


@dataclass(frozen=True, slots=True)
class WarehouseCheck:
    """Looks at the datasets of a project; nothing is changed, and dry runs bill nothing."""

    client: bigquery.Client
    shared: str
    catalog: str
    tenants: tuple[Tenant, ...]

    def tables(self) -> list[Finding]:
        """Hold every table to its columns and its partitioning."""
        found = self._dataset(self.shared, "organizations", "terraform apply")
        found += self._dataset(self.catalog, "catalog", "terraform apply")
        for tenant in self.tenants:
            found += self._dataset(tenant.dataset, "tenant", "python -m local org create")
        return found

    def rights(self, rights: Rights) -> list[Finding]:
        """Try what an account has to do, as dry runs."""
        return [finding for name, sql in self._tries(rights) if (finding := self._tried(name, sql)) is not None] or [
            Finding("BigQuery rights", "ok", "every read and write that is needed is allowed")
        ]

    def _dataset(self, dataset_id: str, kind: Dataset, maker: str) -> list[Finding]:
        subject = f"dataset {dataset_id}"
        try:
            self.client.get_dataset(f"{self.client.project}.{dataset_id}")
        except google.NotFound:
            return [Finding(subject, "fault", "it is not there", f"{maker} makes it")]
        found = [each for name in schema.tables(kind) for each in self._table(dataset_id, kind, name, maker)]
        return found or [Finding(subject, "ok", f"{len(schema.tables(kind))} tables as this version needs them")]

    def _table(self, dataset_id: str, kind: Dataset, name: str, maker: str) -> Iterator[Finding]:
        subject, described = f"table {dataset_id}.{name}", schema.load(kind, name)
        try:
            table = self.client.get_table(f"{self.client.project}.{dataset_id}.{name}")
        except google.NotFound:
            yield Finding(subject, "fault", "it is not there", f"{maker} makes it")
            return
        compared = compare(table, described)
        if compared.lacks:
            columns = ", ".join(field.name for field in compared.lacks)
            yield Finding(subject, "fault", f"it lacks {columns}", _ADD)
        for sentence in compared.differs:
            yield Finding(subject, "fault", sentence, "copy the table into one with the columns of its schema file")
        wanted = described.time_partitioning
        has = table.time_partitioning.field if table.time_partitioning else None
        if wanted is not None and has != wanted.field:
            said = f"it is partitioned by {has or 'nothing'}, not by {wanted.field}: every query reads all of it"
            yield Finding(subject, "fault", said, "copy the table into one that is partitioned so")

    def _tries(self, rights: Rights) -> Iterator[tuple[str, str]]:
        """The statements that need a right each, by what they do."""
        project = self.client.project
        if rights.shared:
            for name in schema.tables("organizations"):
                yield f"read {self.shared}.{name}", f"SELECT * FROM `{project}.{self.shared}.{name}` LIMIT 0"
        if rights.catalog:
            for name in schema.tables("catalog"):
                yield f"read {self.catalog}.{name}", f"SELECT * FROM `{project}.{self.catalog}.{name}` LIMIT 0"
        for name in rights.writes:
            yield f"write {self.shared}.{name}", f"DELETE FROM `{project}.{self.shared}.{name}` WHERE FALSE"
        for tenant in self.tenants if rights.tenants else ():
            for name in schema.tables("tenant"):
                yield f"read {tenant.dataset}.{name}", f"SELECT * FROM {tenant.own_table(name)} LIMIT 0"

    def _tried(self, name: str, sql: str) -> Finding | None:
        """A dry run's refusal; None where it is allowed, or where there is no such table, which is said elsewhere."""
        try:
            self.client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True), job_retry=None)
        except google.NotFound:
            return None
        except google.GoogleAPICallError as error:
            return fault_of(f"BigQuery: {name}", error)
        return None
