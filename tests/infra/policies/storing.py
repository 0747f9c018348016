"""What is kept, and that it stays: Firestore, KMS, BigQuery and the sources."""

import json
from collections.abc import Iterator
from typing import Any

from common.knowledge.embedding.spaces import SPACES
from tests.infra.plan import Plan
from tests.infra.policies.queries import queries
from tests.infra.workspace import ROOT

SCHEMAS = ROOT / "common" / "warehouse" / "schemas"
# Collection groups whose documents carry expire_at.
EXPIRING = frozenset(
    {
        "answers",
        "api_keys",
        "conversations",
        "counters",
        "deliveries",
        "deliveries_dead",
        "listed",
        "messages",
        "orgs",
        "pending",
    }
)
_EXPIRY = "expire_at"
_MOST_ROTATION = 90 * 86_400
_LEAST_BACKUP = 7 * 86_400


def documents(plan: Plan) -> Iterator[str]:
    """The sessions can be brought back to a minute of the last week, and are not destroyed by mistake."""
    for each in plan.of("google_firestore_database"):
        if each.values["point_in_time_recovery_enablement"] != "POINT_IN_TIME_RECOVERY_ENABLED":
            yield f"{each.address} cannot be brought back to a point in time"
        if (
            each.values["delete_protection_state"] != "DELETE_PROTECTION_ENABLED"
            or each.values["deletion_policy"] == "DELETE"
        ):
            yield f"{each.address} can be deleted"
    for each in plan.of("google_firestore_backup_schedule"):
        if int(str(each.values["retention"]).removesuffix("s")) < _LEAST_BACKUP:
            yield f"{each.address} keeps backups for {each.values['retention']}"
    if plan.variables["firestore"].get("create", True) and not plan.of("google_firestore_backup_schedule"):
        yield "no backups are made"
    if plan.variables["firestore"].get("create", True) and not plan.of("google_firestore_database"):
        yield "no database is made"


def expiry(plan: Plan) -> Iterator[str]:
    """What may expire does, in every collection that says when; nothing else does."""
    expiring = {
        each.values["collection"]: each.values["field"]
        for each in plan.of("google_firestore_field")
        if each.values["ttl_config"]
    }
    yield from (f"{collection} never expires" for collection in sorted(EXPIRING - set(expiring)))
    yield from (f"{collection} expires" for collection in sorted(set(expiring) - EXPIRING))
    yield from (f"{collection} expires by {field}" for collection, field in expiring.items() if field != _EXPIRY)


def indexes(plan: Plan) -> Iterator[str]:
    """Every query of the code has an index of its own, or asks for no field that is exempt from the others."""
    made = [
        (each.values["collection"], [(field["field_path"], field["order"]) for field in each.values["fields"]])
        for each in plan.of("google_firestore_index")
    ]
    exempt = {
        (each.values["collection"], each.values["field"])
        for each in plan.of("google_firestore_field")
        if each.values["index_config"] and not each.block("index_config")["indexes"]
    }
    for query in queries():
        if any(
            collection == query.collection and _serves(fields, query.equal, query.ordered)
            for collection, fields in made
        ):
            continue
        yield from (
            f"{query.place} asks {query.collection} for {field}, which is exempt"
            for field in sorted(query.fields)
            if (query.collection, field) in exempt
        )
        if query.needs_an_index:
            yield f"{query.place} asks {query.collection} for what no index holds: {sorted(query.fields)}"


def keys(plan: Plan) -> Iterator[str]:
    """Every key that encrypts is turned within 90 days."""
    for each in plan.of("google_kms_crypto_key"):
        period = str(each.values["rotation_period"] or "")
        if not period.endswith("s") or not 0 < float(period.removesuffix("s")) <= _MOST_ROTATION:
            yield f"{each.address} is turned every {period or 'never'}"


def tables(plan: Plan) -> Iterator[str]:
    """Tables are as the code reads them, and neither they nor their datasets go with what is in them."""
    for each in plan.of("google_bigquery_table"):
        if not each.values["deletion_protection"]:
            yield f"{each.address} can be destroyed"
        folder = "catalog" if each.address.startswith("google_bigquery_table.catalog") else "organizations"
        wanted = json.loads((SCHEMAS / folder / f"{each.values['table_id']}.json").read_text(encoding="utf-8"))
        yield from (f"{each.address} has another {part} than its file" for part in _differences(each.values, wanted))
    for each in plan.of("google_bigquery_dataset"):
        if each.values["delete_contents_on_destroy"]:
            yield f"{each.address} is destroyed with its tables"


def sources(plan: Plan) -> Iterator[str]:
    """Nobody unknown can read the sources, and an earlier one can be gone back to."""
    for each in plan.of("google_storage_bucket"):
        if not each.values["uniform_bucket_level_access"] or each.values["public_access_prevention"] != "enforced":
            yield f"{each.address} can be made public"
        versioned = bool(each.block("versioning").get("enabled"))
        if each.name == "documents":
            if versioned or each.block("soft_delete_policy").get("retention_duration_seconds") != 0:
                yield f"{each.address} keeps what an organisation has deleted"
        elif not versioned:
            yield f"{each.address} keeps no versions"


def vectors(plan: Plan) -> Iterator[str]:
    """The passages of each embedding space that the code knows are found by an index of the length of its vectors."""
    made = {
        field["vector_config"][0]["dimension"]
        for each in plan.of("google_firestore_index")
        if each.values["collection"] == "chunks" and each.values["fields"][0]["field_path"] == "space"
        for field in each.values["fields"]
        if field["field_path"] == "embedding" and field["vector_config"]
    }
    wanted = {space.dimensions for space in SPACES}
    yield from (f"no index finds vectors of {dimensions} numbers" for dimensions in sorted(wanted - made))
    yield from (f"vectors of {dimensions} numbers are of no space" for dimensions in sorted(made - wanted))


def _serves(fields: list[tuple[str, str]], equal: frozenset[str], ordered: tuple[tuple[str, str], ...]) -> bool:
    without_name = [each for each in fields if each[0] != "__name__"]
    head, tail = without_name[: len(equal)], without_name[len(equal) :]
    return {name for name, _ in head} == equal and tail == [each for each in ordered if each[0] != "__name__"]


def _differences(values: Any, wanted: Any) -> Iterator[str]:
    if json.loads(values["schema"]) != wanted["schema"]:
        yield "schema"
    if (values["clustering"] or []) != wanted.get("clustering", []):
        yield "clustering"
    partitioning = {name: each for name, each in (values["time_partitioning"] or [{}])[0].items() if each is not None}
    if {name: partitioning.get(name) for name in ("type", "field")} != {
        name: wanted.get("time_partitioning", {}).get(name) for name in ("type", "field")
    }:
        yield "partitioning"
