"""Facts that stand in two places: in the code, and in Terraform, a prompt or a sentence that cannot import it."""

import argparse
import json
import re
from pathlib import Path
from typing import get_args

import yaml

from common import errors, limits, settings
from common.errors import BadSlug
from common.focus import providers
from common.focus.providers import provider_key
from common.models import catalog
from common.settings import Settings
from common.skills.loading import load_skills
from common.tenant import (
    EVERY_PERMISSION,
    READ_USAGE,
    WITHOUT_SCOPES,
    WRITE_ACCESS,
    WRITE_SETTINGS,
    Tenant,
    parse_org_slug,
)
from common.warehouse import readable_tables
from common.warehouse.schema import record_tables
from common.web.routes import ROUTES
from local import ask, chat, serve
from local.data import __main__ as local_data

ROOT = Path(__file__).parents[1]
TERRAFORM = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "terraform").glob("*.tf")}
ORGANIZATION = (ROOT / "terraform" / "organization" / "variables.tf").read_text(encoding="utf-8")
# Terraform sets these from variables of its own, or the platform does.
OF_TERRAFORM = {
    "GCP_PROJECT_ID", "ENVIRONMENT", "ORGANIZATIONS_DATASET", "CATALOG_DATASET", "BQ_LOCATION", "FIRESTORE_DATABASE",
    "CORS_ORIGINS", "TRACING", "PUBLIC_URL", "KMS_KEY_NAME", "KMS_TOKEN_KEY_NAME", "K_REVISION", "DOCUMENTS_BUCKET",
    "VERTEX_LOCATION", "WORKERS", "DELIVER_QUEUE", "SMTP_PASSWORD",
}  # fmt: skip
# An operator of a deployment never sets these: a bypass, an emulator, and the parts of KMS_KEY_NAME.
OF_A_LAPTOP = {
    "DISABLE_AUTH", "STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST", "KMS_EMULATOR_HOST",
    "KMS_KEYRING", "KMS_KEY", "KMS_TOKEN_KEY", "KMS_LOCATION", "LOCAL_EMBEDDING_WEIGHTS",
    "DEFAULT_EMBEDDING",
    "LOCAL_DESTINATIONS", "CLOUD_TASKS_EMULATOR_HOST", "DELIVER_URL",
}  # fmt: skip


def block(file: str, head: str) -> str:
    """The text of a top-level block of a Terraform file."""
    text = TERRAFORM[file]
    assert head in text
    return text[text.index(head) :].partition("\n}\n")[0]


def setting_names() -> set[str]:
    return {(field.alias or name).upper() for name, field in Settings.model_fields.items()}


def test_terraform_lets_an_operator_set_every_setting_that_is_not_its_own() -> None:
    given = re.findall(r'"([A-Z_]{3,})"', block("variables.tf", 'variable "settings"').partition("])) == 0")[0])
    assert set(given) | OF_TERRAFORM | OF_A_LAPTOP == setting_names()
    assert not set(given) & (OF_TERRAFORM | OF_A_LAPTOP)


def test_what_terraform_sets_itself_is_in_the_functions_environment() -> None:
    named = set(re.findall(r"\b([A-Z][A-Z_]+)\s+= ", TERRAFORM["locals.tf"]))
    # Of the settings that are the operator's, the turns of an instance grow with its CPUs.
    assert named == OF_TERRAFORM - {"K_REVISION"} | {"TURNS_PER_INSTANCE"}


def test_an_alert_is_raised_when_readiness_says_that_the_record_is_behind() -> None:
    threshold = re.search(
        r"outbox_age_seconds\s+= optional\(number, (\d+)\)", block("variables.tf", 'variable "thresholds"')
    )
    assert threshold is not None
    assert int(threshold[1]) == limits.OUTBOX_OLD_SECONDS


def test_terraform_gives_a_turn_the_time_that_the_code_takes() -> None:
    timeout = block("variables.tf", 'variable "streaming_timeout_seconds"')
    assert f"a turn ({limits.TURN_SECONDS:.0f} s)" in timeout
    assert f"waits for it ({limits.JOIN_SECONDS:.0f} s)" in timeout
    least = re.search(r"seconds >= (\d+)", timeout)
    assert least is not None
    assert int(least[1]) > limits.TURN_SECONDS + limits.JOIN_SECONDS


def slug_patterns() -> dict[str, str]:
    """Every place that says which slugs there are, with its pattern."""
    schema = json.loads((ROOT / "common/warehouse/schemas/organizations/org_profiles.json").read_text("utf-8"))
    (slug,) = (field for field in schema["schema"] if field["name"] == "org_slug")
    tenants = ORGANIZATION.partition('variable "org_slug"')[2].partition("\n}\n")[0]
    places = {
        "the error": BadSlug.detail,
        "the schema": slug["description"],
        "Terraform's condition": tenants.partition("condition")[2].partition("\n")[0],
        "Terraform's sentence": tenants.partition("error_message")[2].partition("\n")[0],
    }
    return {place: "".join(re.findall(r"\^[^$]+\$", text)) for place, text in places.items()}


def test_every_place_says_the_same_of_a_slug() -> None:
    patterns = slug_patterns()
    assert len(set(patterns.values())) == 1, patterns
    pattern = re.compile(next(iter(patterns.values())))
    for text in ("abc", "ab", "a" * 50, "a" * 51, "a_1", "A_1", "a-b", "", "acme inc", "acmé"):
        assert is_slug(text) == (pattern.fullmatch(text) is not None), text


def is_slug(text: str) -> bool:
    try:
        parse_org_slug(text)
    except BadSlug:
        return False
    return True


def test_the_dataset_of_a_tenant_is_named_as_terraform_names_it() -> None:
    tenant = Tenant(parse_org_slug("acme_inc"), "a-project", "organizations")
    named = set(re.findall(r'"(\$\{var\.org_slug\}\w*)"', ORGANIZATION))
    assert {name.replace("${var.org_slug}", tenant.org_slug) for name in named} == {tenant.dataset}


def test_the_providers_of_a_private_gateway_are_those_of_the_catalogue() -> None:
    assert set(get_args(settings.Provider)) == set(catalog.providers_of(deployed=True))


def test_sync_may_write_every_table_of_the_record() -> None:
    sync = TERRAFORM["locals.tf"].partition("    sync = {")[2].partition("\n    }\n")[0]
    assert set(re.findall(r'"(org_\w+)"', sync)) == set(record_tables())


def test_the_tables_that_a_model_may_read_have_a_schema() -> None:
    for table in readable_tables._READABLE:
        assert (ROOT / f"common/warehouse/schemas/organizations/{table}.json").exists()


def test_the_error_tree_of_the_docstring_is_that_of_the_classes() -> None:
    drawn = re.findall(r"(\w+) (\d{3}) (\w+)", errors.__doc__ or "")
    classes = {
        name: each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.ServiceError) and each is not errors.ServiceError
    }
    assert {(name, str(each.status), each.code) for name, each in classes.items()} == set(drawn)


def test_every_address_of_an_organisation_needs_a_scope() -> None:
    open_to_all = {(route.function, route.name) for route in ROUTES if route.needs is None}
    health = {("health", name) for name in ("live", "ready", "openapi")}
    ours = {("sync", "sync"), ("alerts", "evaluate"), ("ingest", "event"), ("ingest", "due")}
    ours |= {("deliver", "deliver"), ("deliver", "due")}
    assert open_to_all == {("a2a", "card"), *ours, *health}


def test_a_key_without_scopes_may_not_change_settings_or_read_what_others_used() -> None:
    assert frozenset({WRITE_SETTINGS, READ_USAGE, WRITE_ACCESS}) == EVERY_PERMISSION - WITHOUT_SCOPES


def test_a_provider_of_the_focus_vocabulary_has_one_key() -> None:
    for key in providers._KEYS:
        assert len([group for group in providers._ALIASES if key in group]) == 1, key
    assert len(providers._ALIASES) == len(providers._KEYS)


def test_the_prompts_of_mcp_name_tools_that_there_are() -> None:
    prompts = yaml.safe_load((ROOT / "common/protocols/mcp/prompts.yml").read_text("utf-8"))["prompts"]
    tools = {tool.name for tool in load_skills().registry.tools}
    named = {name for prompt in prompts for name in re.findall(r"(?<!\{)\b[a-z]+(?:_[a-z]+)+\b", prompt["text"])}
    assert named
    assert named <= tools


def test_the_local_cloud_uses_the_project_and_the_key_that_settings_name() -> None:
    bare = Settings.model_construct()
    assert {serve.PROJECT, local_data.PROJECT} == {bare.gcp_project_id}
    assert local_data.KEY.format(project=bare.gcp_project_id) == bare.kms_key_path


def test_make_and_the_commands_serve_and_ask_at_one_port() -> None:
    port = re.search(r"^PORT \?= (\d+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert port is not None
    for command in (serve, ask, chat):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        assert parser.get_default("port") == int(port[1])


def test_azure_and_microsoft_are_one_provider() -> None:
    assert provider_key("Microsoft") == provider_key("azure")
