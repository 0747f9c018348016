"""The catalogue stands apart: the product's own text reads it, and nothing of an organisation gets in or out by it."""

import pytest

from common.settings import Settings
from common.warehouse.client import Warehouse
from common.warehouse.guard import Denied, decide
from common.warehouse.isolation.authorized_views import boundary
from common.warehouse.query import Parameter, admitted, fixed
from tests.warehouse.conftest import ACME, GLOBEX, PROJECT
from tests.warehouse.test_boundary import PATTERN, impersonating, key_file, who

__all__ = ["impersonating", "key_file"]

PRICES = f"{PROJECT}.catalog.instances"


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM {catalog.instances} WHERE TRUE",
        "INSERT INTO {catalog.instances} (provider) VALUES ('mine')",
        "MERGE {catalog.instances} USING (SELECT 1) ON FALSE WHEN NOT MATCHED THEN INSERT (provider) VALUES ('x')",
        "CREATE OR REPLACE TABLE {catalog.instances} AS SELECT * FROM {own.cost_data_standard_1_3}",
        "EXPORT DATA OPTIONS(uri='gs://x/*') AS SELECT * FROM {catalog.instances}",
        "SELECT * FROM {catalog.instances}, {own.cost_data_standard_1_3}",
        "SELECT * FROM {own.cost_data_standard_1_3} WHERE ServiceName IN (SELECT source FROM {catalog.instances})",
        "SELECT * FROM {catalog.instances}, {shared.org_profiles} WHERE org_slug = @org_slug",
    ],
)
def test_the_products_own_text_only_reads_the_catalogue_and_nothing_beside_it(text: str) -> None:
    with pytest.raises(ValueError, match="the catalogue only reads"):
        fixed(ACME, text, {})


def test_a_catalogues_text_is_the_same_for_every_organisation() -> None:
    text = "SELECT provider FROM {catalog.instances} WHERE provider = @provider"
    one, other = (fixed(tenant, text, {"provider": Parameter("STRING", "aws")}) for tenant in (ACME, GLOBEX))
    assert one.sql == other.sql == f"SELECT provider FROM `{PRICES}` WHERE provider = @provider"
    assert one.tables == {PRICES}
    assert one.reads_catalog
    assert not one.reads_shared
    assert not fixed(ACME, "SELECT 1 FROM {own.costs}").reads_catalog


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM catalog.instances",
        f"SELECT * FROM `{PRICES}`",
        f"SELECT * FROM `{PROJECT}`.catalog.INSTANCES",
        "SELECT * FROM `catalog`.`instances` AS own_rows",
        "WITH x AS (SELECT * FROM catalog.models) SELECT * FROM x",
        "SELECT (SELECT MAX(price_hourly) FROM catalog.instances)",
        "SELECT * FROM catalog.INFORMATION_SCHEMA.TABLES",
        "INSERT INTO catalog.instances SELECT * FROM cost_data_standard_1_3",
        "UPDATE catalog.instances SET price_hourly = 0 WHERE TRUE",
        "DELETE FROM catalog.instances WHERE TRUE",
        "TRUNCATE TABLE catalog.instances",
        "DROP TABLE catalog.instances",
        "CREATE OR REPLACE TABLE catalog.mine AS SELECT * FROM cost_data_standard_1_3",
        "CREATE VIEW catalog.mine AS SELECT * FROM cost_data_standard_1_3",
        "SELECT 1; DELETE FROM catalog.instances WHERE TRUE",
        "EXPORT DATA OPTIONS(uri='gs://x/*') AS SELECT * FROM catalog.instances",
    ],
)
def test_a_models_own_sql_neither_reads_nor_writes_the_catalogue(sql: str) -> None:
    with pytest.raises(Denied):
        decide(sql, ACME, "u1")


def test_an_organisations_account_is_given_nothing_of_the_catalogue(impersonating: Warehouse) -> None:
    api, sent = impersonating._sdk.of(fixed(ACME, "SELECT provider FROM {catalog.instances}"))
    assert who(api) == "function@a-project.iam.gserviceaccount.com"
    assert sent.sql == f"SELECT provider FROM `{PRICES}`"
    assert "catalog" not in str(boundary(ACME, PATTERN))
    # Text that only looks like the catalogue's runs as the organisation.
    api, _ = impersonating._sdk.of(admitted(ACME, f"SELECT 1 FROM `{PRICES}`", frozenset({PRICES})))
    assert who(api) == "chat-acme-inc@a-project.iam.gserviceaccount.com"


@pytest.mark.parametrize("name", ["organizations", "acme_inc_prod", "acme_inc_shared"])
def test_the_catalogue_is_no_dataset_with_somebodys_rows(name: str) -> None:
    with pytest.raises(ValueError, match="CATALOG_DATASET"):
        Settings(catalog_dataset=name)
