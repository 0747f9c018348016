"""An organisation that is kept apart by IAM has a state of its own, and the deployment's knows of none."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.tenant import OrgSlug, Tenant
from common.warehouse.isolation.authorized_views import boundary_json
from common.warehouse.readable_tables import shared_tables
from tests.infra.conftest import EXAMPLE
from tests.infra.plan import Plan, planned
from tests.infra.policies.identity import no_account_keys, no_broad_grants, no_public_members
from tests.infra.test_terraform import identity
from tests.infra.workspace import ROOT, Workspace, workspace

PATTERN = "chat-{org_slug}@a-project.iam.gserviceaccount.com"
READERS = ("chat-send@a-project.iam.gserviceaccount.com", "chat-mcp@a-project.iam.gserviceaccount.com")
# What all organisations have in common, each adding one entry of its own.
SHARED = {"google_bigquery_dataset_access", "google_project_iam_member"}


@pytest.fixture(scope="module")
def organization(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The configuration of one organisation."""
    with workspace(tmp_path_factory.mktemp("organization"), cached, part="terraform/organization") as made:
        yield made


def plan_of(organization: Workspace, slug: str) -> Plan:
    """What is made for an organisation, from what the operator's command prints."""
    file = organization.terraform / f"{slug}.tfvars.json"
    file.write_text(boundary_json(Tenant(OrgSlug(slug), "a-project", "organizations"), PATTERN, READERS), "utf-8")
    return planned(organization, f"-var-file={file.name}")


def faults(plan: Plan, slug: str) -> list[str]:
    """Whatever lets somebody read what is not theirs."""
    found = [*no_public_members(plan), *no_account_keys(plan), *no_broad_grants(plan)]
    (account,) = plan.of("google_service_account")
    member = f"serviceAccount:{account.values['email']}"
    reads = {
        (each.values["dataset_id"], each.values["member"]) for each in plan.of("google_bigquery_dataset_iam_member")
    }
    if reads != {(f"{slug}_prod", member), (f"{slug}_shared", member)}:
        found.append(f"reads {sorted(reads)}")
    asks = {(each.values["role"], each.values["member"]) for each in plan.of("google_project_iam_member")}
    if asks != {("roles/bigquery.jobUser", member)}:
        found.append(f"may {sorted(asks)} in the project")
    acts = {(each.values["role"], each.values["member"]) for each in plan.of("google_service_account_iam_member")}
    if acts != {("roles/iam.serviceAccountTokenCreator", f"serviceAccount:{reader}") for reader in READERS}:
        found.append(f"acted for by {sorted(acts)}")
    (access,) = plan.of("google_bigquery_dataset_access")
    if (
        access.values["dataset_id"] != "organizations"
        or access.values.get("role")
        or access.block("dataset")["target_types"] != ["VIEWS"]
    ):
        found.append("more than the views is authorised on the shared dataset")
    views = {each.values["table_id"]: each.block("view")["query"] for each in plan.of("google_bigquery_table")}
    if set(views) != set(shared_tables()):
        found.append(f"has the views {sorted(views)}")
    return found + [f"{name} shows all rows" for name, query in views.items() if f"`org_slug` = '{slug}'" not in query]


def test_it_is_valid_and_its_own_tests_pass(organization: Workspace) -> None:
    for arguments in (("validate",), ("test",)):
        found = organization.run(*arguments, "-no-color")
        assert found.ok, found.output
        assert " 0 passed" not in found.output


def test_an_organisation_gets_its_own_and_nothing_of_another(organization: Workspace) -> None:
    plans = {slug: plan_of(organization, slug) for slug in ("acme_inc", "globex_inc")}
    for slug, plan in plans.items():
        assert faults(plan, slug) == []
    named = [{identity(each) for each in plan.resources if each.type not in SHARED} - {None} for plan in plans.values()]
    assert min(map(len, named)) > 10
    assert named[0] & named[1] == set()
    for slug, other in (("acme_inc", "globex"), ("globex_inc", "acme")):
        assert other not in json.dumps([dict(each.values) for each in plans[slug].resources])


def test_onboarding_changes_nothing_in_the_state_of_the_deployment(example: Plan, pristine: Workspace) -> None:
    given = set(example.variables)
    assert not {name for name in given if re.search("tenant|boundar|org|slug", name)}
    text = "\n".join(file.read_text("utf-8") for file in pristine.terraform.glob("*.tf"))
    assert "_prod" not in text
    # An account of the deployment is no organisation's, and no dataset but the shared one is read.
    read = {each.values["dataset_id"] for each in example.of("google_bigquery_dataset_iam_member")}
    assert read == {"organizations", "catalog"}
    # Nobody acts as another account: the one that signs addresses for uploads signs in its own name.
    assert [
        each.values["service_account_id"].rpartition("/")[2] == each.values["member"].removeprefix("serviceAccount:")
        for each in example.of("google_service_account_iam_member")
    ] == [True]


def test_the_functions_that_act_for_organisations_are_those_that_may(example: Plan) -> None:
    readers = str(example.outputs["tenant_readers"]).split(",")
    accounts = {name: each.block("service_config")["service_account_email"] for name, each in example.functions.items()}
    acting = ("send", "copilotkit", "completions", "a2a", "mcp", "usage", "alerts")
    assert set(readers) == {accounts[name] for name in acting}


MISTAKES = {
    "its account reads the shared tables": (
        "for_each = toset(local.reads)", 'for_each = toset([var.authorized_on, "${var.org_slug}_prod"])', "reads",
    ),
    "its account writes": ('"roles/bigquery.dataViewer"', '"roles/bigquery.admin"', "grants roles/bigquery.admin"),
    "everybody may act as it": ('"serviceAccount:${each.value}"', '"allAuthenticatedUsers"', "allAuthenticatedUsers"),
    "it may read every dataset of the project": ('"roles/bigquery.jobUser"', '"roles/bigquery.user"', "in the project"),
    "all tables of its dataset are authorised": ('target_types = ["VIEWS"]', "target_types = []", "authorized"),
    "its views show all rows": (
        "= each.value.query", '= "SELECT * FROM ${var.authorized_on}.${each.key}"', "shows all rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_it_is_found(organization: Workspace, name: str) -> None:
    old, new, says = MISTAKES[name]
    file = organization.terraform / "main.tf"
    before = file.read_text("utf-8")
    assert old in before
    file.write_text(before.replace(old, new), "utf-8")
    try:
        found = faults(plan_of(organization, "acme_inc"), "acme_inc")
    finally:
        file.write_text(before, "utf-8")
    assert [each for each in found if says.replace("authorized", "authorised") in each]


def test_what_earlier_versions_held_of_organisations_is_let_go_not_destroyed() -> None:
    text = (ROOT / "terraform" / "removed.tf").read_text("utf-8")
    assert text.count("removed {") == text.count("destroy = false") >= 10


def test_an_upgrade_leaves_the_datasets_of_organisations(cached: Path, tmp_path: Path) -> None:
    with workspace(tmp_path, cached) as made:
        dataset = {
            "dataset_id": "acme_inc_prod",
            "project": "my-project",
            "id": "projects/my-project/datasets/acme_inc_prod",
        }
        held = {"mode": "managed", "type": "google_bigquery_dataset", "name": "tenant"}
        provider = 'provider["registry.terraform.io/hashicorp/google"]'
        instance = {"index_key": "acme_inc", "schema_version": 0, "attributes": dataset, "sensitive_attributes": []}
        state = {
            "version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "kept", "outputs": {},
            "resources": [{**held, "provider": provider, "instances": [instance]}],
        }  # fmt: skip
        (made.terraform / "terraform.tfstate").write_text(json.dumps(state), "utf-8")
        found = made.run("plan", "-no-color", "-input=false", "-refresh=false", f"-var-file={EXAMPLE}")
    assert found.ok, found.output
    assert 'google_bigquery_dataset.tenant["acme_inc"] will no longer be managed' in found.output
    assert " 0 to destroy" in found.output
