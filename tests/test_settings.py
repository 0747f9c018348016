"""The environment: what is read, and what stops a function from starting."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common import limits
from common.organizations.settings_change import SettingsChange
from common.settings import InvalidSettings, load_settings
from common.transcript.message import Message, Role
from common.transcript.window import for_model, with_message

ROOT = Path(__file__).parents[1]


pytestmark = pytest.mark.usefixtures("bare_environment")


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings()
    assert settings.gcp_project_id == "local-dev-project"
    assert settings.environment == "development"
    assert settings.cors_origins == ("http://localhost:3000",)
    assert settings.bq_max_bytes_gate == 10 * 1024**3
    assert (settings.default_temperature, settings.default_max_tokens, settings.default_max_history) == (0.7, 4096, 50)
    assert settings.cache_ttl_seconds == 300
    assert settings.kms_key_path == (
        "projects/local-dev-project/locations/global/keyRings/cloudact-keyring/cryptoKeys/api-key-encryption"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("10GB", 10 * 1024**3), ("10 gb", 10 * 1024**3), ("1", 1), ("512MB", 512 * 1024**2), ("2TB", 2 * 1024**4)],
)
def test_a_byte_gate_is_a_number_or_a_size(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("BQ_MAX_BYTES_GATE", text)
    assert load_settings().bq_max_bytes_gate == size


@pytest.mark.parametrize("text", ["ten", "10 elephants", "-1", "0", "1.5GB"])
def test_a_byte_gate_that_is_no_size_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BQ_MAX_BYTES_GATE", text)
    with pytest.raises(InvalidSettings, match="BQ_MAX_BYTES_GATE"):
        load_settings()


@pytest.mark.parametrize("text", ['["https://a.example","https://b.example"]', "https://a.example, https://b.example"])
def test_origins_are_json_or_a_list(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert load_settings().cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISABLE_AUTH", "true"),
        ("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1"),
        ("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1"),
        ("KMS_EMULATOR_HOST", "127.0.0.1:1"),
        ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1"),
        ("DEFAULT_EMBEDDING", "local"),
        ("CLOUD_TASKS_EMULATOR_HOST", "http://127.0.0.1:1"),
        ("LOCAL_DESTINATIONS", "true"),
        ("SMTP_TLS", "none"),
    ],
)
def test_what_only_a_laptop_may_do_is_refused_where_organisations_are_served(
    monkeypatch: pytest.MonkeyPatch, environment: str, name: str, value: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        load_settings()


def test_a_providers_address_is_json_by_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().model_api_bases == {}
    monkeypatch.setenv("MODEL_API_BASES", '{"openai": "http://127.0.0.1:9/v1", "gemini": "https://gateway.example"}')
    assert load_settings().model_api_bases == {
        "openai": "http://127.0.0.1:9/v1",
        "gemini": "https://gateway.example",
    }


@pytest.mark.parametrize(
    "text",
    ["openai", '["https://a.example"]', '{"acme": "https://a.example"}', '{"openai": "a.example"}',
     '{"openai": "https://user:s3cret@a.example"}', '{"openai": "https://a.example/v1?key=s3cret"}'],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MODEL_API_BASES", text)
    with pytest.raises(InvalidSettings, match="MODEL_API_BASES") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_provider_key_goes_to_no_address_without_https_where_organisations_are_served(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("MODEL_API_BASES", '{"openai": "https://gateway.example/v1"}')
    assert load_settings().model_api_bases == {"openai": "https://gateway.example/v1"}
    monkeypatch.setenv("MODEL_API_BASES", '{"openai": "http://gateway.example/v1"}')
    with pytest.raises(InvalidSettings, match="MODEL_API_BASES must use https"):
        load_settings()


@pytest.mark.parametrize("environment", ["development", "local", "test"])
def test_the_bypass_is_allowed_on_a_laptop(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("DISABLE_AUTH", "true")
    assert load_settings().disable_auth


def test_problems_are_named_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod-s3cret")
    monkeypatch.setenv("CACHE_TTL_SECONDS", "a-s3cret")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("function", sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py")))
def test_a_function_does_not_start_with_settings_that_are_not_allowed(function: str) -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "functions" / function / "main.py")],
        env={"ENVIRONMENT": "production", "DISABLE_AUTH": "true", "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert (
        result.stderr.splitlines()[-1] == "Value error, DISABLE_AUTH is honoured only in development, local and test."
    )


def test_spans_go_nowhere_unless_asked_for_and_then_to_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().traces_endpoint is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/")
    assert load_settings().traces_endpoint == "http://127.0.0.1:4318/v1/traces"
    monkeypatch.setenv("TRACING", "cloud")
    with pytest.raises(InvalidSettings, match="not both"):
        load_settings()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert load_settings().traces_endpoint == "https://telemetry.googleapis.com/v1/traces"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACING", "yes"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("TRACE_SAMPLE_RATIO", "1.1"),
        ("TRACE_SAMPLE_RATIO", "-0.1"),
    ],
)
def test_a_setting_of_tracing_that_cannot_be_followed_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        load_settings()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("DEFAULT_MAX_HISTORY", limits.MAX_HISTORY_MESSAGES),
        ("DEFAULT_MAX_TOKENS", limits.MAX_ANSWER_TOKENS),
        ("DEFAULT_TEMPERATURE", limits.MAX_TEMPERATURE),
    ],
)
def test_a_default_is_no_more_than_an_organisation_itself_may_choose(
    monkeypatch: pytest.MonkeyPatch, name: str, most: float
) -> None:
    field = name.removeprefix("DEFAULT_").lower().replace("max_history", "max_history_messages")
    assert SettingsChange.model_validate({field: most, "provider": "openai"}).model_dump()[field] == most
    monkeypatch.setenv(name, str(most))
    assert getattr(load_settings(), name.lower()) == most
    monkeypatch.setenv(name, str(most + 1))
    with pytest.raises(InvalidSettings, match=f"{name}: .* less than or equal to {most:g}"):
        load_settings()


def test_as_much_history_as_may_be_set_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_MAX_HISTORY", str(limits.MAX_HISTORY_MESSAGES))
    recent: tuple[dict[str, object], ...] = ()
    for number in range(limits.MAX_HISTORY_MESSAGES + 20):
        role: Role = "user" if number % 2 == 0 else "assistant"
        recent = with_message(recent, Message(f"m{number}", role, f"text {number}", datetime.now(UTC)))
    sent = for_model(recent, max_messages=load_settings().default_max_history, context_window=1_000_000, reserved=0)
    assert len(sent) == limits.MAX_HISTORY_MESSAGES
