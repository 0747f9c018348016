"""The only reader of the environment: one frozen Settings, checked whole before anything is served."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from common import limits

# A smaller window would not hold the product's own prompt and tools.
LOCAL_WINDOW_LEAST = 2_048

_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|TB)?", re.IGNORECASE)
_ACCOUNT = "chat-{org_slug}@a-project.iam.gserviceaccount.com"
_ACCOUNT_PATTERN = re.compile(r"[a-z0-9-]*\{org_(slug|hash)\}[a-z0-9-]*@[a-z0-9.:-]+\.gserviceaccount\.com")
Provider = Literal[
    "openai", "anthropic", "gemini", "deepseek", "vertex_ai", "azure", "bedrock", "mistral", "cohere", "groq",
    "openrouter",
]  # fmt: skip
ApiBase = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
LocalName = Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:-]{{0,{limits.MODEL_ID_CHARS - 1}}}$")]
CLOUD_TRACE = "https://telemetry.googleapis.com/v1/traces"
_LOCAL_MODEL = (
    '{"qwen": {"base_url": "https://llama.example/v1", "model_id": "qwen3", '
    '"context_window": 32768, "max_output": 4096}}'
)
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


class Environment(StrEnum):
    DEVELOPMENT = "development"
    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def is_deployed(self) -> bool:
        """True where real organisations are served: no bypass, emulator or demo model is allowed there."""
        return self in (Environment.STAGING, Environment.PRODUCTION)


class LocalModel(BaseModel):
    """A model on a server of the operator's own that speaks OpenAI's format, such as llama.cpp's.

    Windows and outputs are tokens. Prices are US dollars for a million tokens; without them it costs nothing here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: ApiBase
    model_id: str = Field(min_length=1, max_length=limits.MODEL_ID_CHARS)
    context_window: int = Field(ge=LOCAL_WINDOW_LEAST, le=10_000_000)
    max_output: int = Field(ge=1, le=limits.MAX_ANSWER_TOKENS)
    calls_tools: bool = True
    needs_key: bool = False
    reasoning: bool = False
    temperature: bool = True
    input_price: Decimal = Field(Decimal(0), ge=0)
    output_price: Decimal = Field(Decimal(0), ge=0)

    @model_validator(mode="after")
    def _leave_room_for_the_question(self) -> Self:
        if self.max_output >= self.context_window:
            raise ValueError("max_output must be smaller than context_window, which holds the question too")
        return self


class InvalidSettings(Exception):
    """The environment cannot be served with; one sentence per problem."""


class Settings(BaseSettings):
    """The settings, read from environment variables of the same names."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    # The text below a field is its line in the settings table of terraform/README.md (tests/readmes/settings_table.py).
    gcp_project_id: str = "local-dev-project"
    """The project of BigQuery, Firestore and KMS."""
    environment: Environment = Environment.DEVELOPMENT
    """Where it runs. Staging and production allow no bypass, no emulator and no demo model."""
    disable_auth: bool = False
    """Skip the check of API keys. Refused in staging and production."""
    organizations_dataset: str = Field("organizations", pattern=r"^[A-Za-z0-9_]{1,1024}$")
    """The dataset that all organisations share."""
    catalog_dataset: str = Field("catalog", pattern=r"^[A-Za-z0-9_]{1,1024}$")
    """The dataset of list prices, charts and models; it holds nobody's rows and is only read."""
    kms_keyring: str = "cloudact-keyring"
    """The key ring of the key that wraps provider keys."""
    kms_key: str = "api-key-encryption"
    """The key that wraps provider keys."""
    kms_location: str = "global"
    """The location of that key ring."""
    kms_key_name: str | None = None
    """The full resource name of that key; it replaces the three above."""
    kms_token_key: str = "token-secret-encryption"  # noqa: S105  # the name of a key
    """The key of that key ring that wraps the secrets of token issuers."""
    kms_token_key_name: str | None = None
    """The full resource name of that key."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("http://localhost:3000",)
    """The origins of the web pages that may call, as JSON or separated by commas."""
    bq_max_bytes_gate: int = Field(limits.DEFAULT_MAX_BYTES_BILLED, gt=0)
    """The most bytes that one query of a tool may read; `10GB` is accepted."""
    bq_location: str | None = None
    """The location of BigQuery's jobs; unset, BigQuery finds it from the tables."""
    warehouse_impersonation: str | None = None
    """A service account per organisation that reads its data, such as
    `chat-{org_slug}@my-project.iam.gserviceaccount.com`."""
    default_temperature: float = Field(0.7, ge=0, le=limits.MAX_TEMPERATURE)
    """The model's temperature where an organisation has chosen none."""
    default_max_tokens: int = Field(4096, ge=1, le=limits.MAX_ANSWER_TOKENS)
    """The most tokens of one answer where an organisation has chosen none."""
    default_max_history: int = Field(limits.MAX_HISTORY_MESSAGES, ge=0, le=limits.MAX_HISTORY_MESSAGES)
    """The earlier messages that a model sees where an organisation has chosen none; from 40 on, up to 40 more
    until they are summarised."""
    cache_ttl_seconds: int = Field(300, ge=0, le=86_400)
    """The age at which a copy of a key, profile, settings or credential is read anew."""
    user_messages_per_minute: int = Field(limits.MESSAGES_PER_MINUTE, ge=0, le=100_000)
    """The messages of one person in a minute; 0 is no limit."""
    org_messages_per_minute: int = Field(limits.ORG_MESSAGES_PER_MINUTE, ge=0, le=100_000)
    """The messages and MCP calls of one organisation in a minute, whoever sends them; 0 is no limit."""
    user_mcp_calls_per_minute: int = Field(limits.MCP_CALLS_PER_MINUTE, ge=0, le=100_000)
    """The MCP calls of one person in a minute; 0 is no limit."""
    user_searches_per_minute: int = Field(limits.SEARCHES_PER_MINUTE, ge=0, le=100_000)
    """The searches of one person in a minute; 0 is no limit."""
    org_searches_per_minute: int = Field(limits.ORG_SEARCHES_PER_MINUTE, ge=0, le=100_000)
    """The searches of one organisation in a minute; 0 is no limit."""
    user_settings_changes_per_minute: int = Field(limits.SETTINGS_CHANGES_PER_MINUTE, ge=0, le=100_000)
    """The changes of settings by one person in a minute, refused ones included; 0 is no limit."""
    org_settings_changes_per_minute: int = Field(limits.ORG_SETTINGS_CHANGES_PER_MINUTE, ge=0, le=100_000)
    """The changes of settings of one organisation in a minute, refused ones included; 0 is no limit."""
    user_uploads_per_minute: int = Field(limits.UPLOADS_PER_MINUTE, ge=0, le=100_000)
    """The uploads and other changes of documents by one person in a minute; 0 is no limit."""
    org_uploads_per_minute: int = Field(limits.ORG_UPLOADS_PER_MINUTE, ge=0, le=100_000)
    """The uploads and other changes of documents of one organisation in a minute; 0 is no limit."""
    user_destination_changes_per_minute: int = Field(limits.DESTINATION_CHANGES_PER_MINUTE, ge=0, le=100_000)
    """The changes and tests of destinations by one person in a minute; 0 is no limit."""
    org_destination_changes_per_minute: int = Field(limits.ORG_DESTINATION_CHANGES_PER_MINUTE, ge=0, le=100_000)
    """The changes and tests of destinations of one organisation in a minute; 0 is no limit."""
    org_failed_keys_per_minute: int = Field(limits.ORG_FAILED_KEYS_PER_MINUTE, ge=1, le=100_000)
    """The API keys that may fail at one organisation and instance in a minute, before they are refused with 429.
    Valid keys go on serving."""
    org_tokens_per_day: int | None = Field(None, gt=0)
    """The model tokens of one organisation in a day (UTC); unset is no limit. An organisation may set a lower one."""
    org_cost_per_month_usd: Decimal | None = Field(None, gt=0, allow_inf_nan=False)
    """The US dollars that one organisation's models may cost in a month (UTC), by the known prices; unset is no
    limit. An organisation may set a lower one."""
    user_tokens_per_day: int | None = Field(None, gt=0)
    """The model tokens of one person in a day (UTC); unset is no limit. An organisation may set a lower one."""
    user_cost_per_month_usd: Decimal | None = Field(None, gt=0, allow_inf_nan=False)
    """The US dollars that one person's models may cost in a month (UTC); unset is no limit. An organisation may set a
    lower one."""
    turns_per_instance: int = Field(limits.TURNS_PER_INSTANCE, ge=1, le=1_000)
    """The turns that one instance runs at a time; others wait for a few seconds."""
    workers: int = Field(1, ge=1, le=8)
    """The processes of an instance, which functions-framework starts; each runs its part of the instance's turns. One
    for each CPU."""
    turns_per_org: int = Field(limits.TURNS_PER_ORG, ge=1, le=1_000)
    """The turns of one organisation that one instance runs at a time."""
    public_url: str | None = Field(None, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
    """The address that the agent card (A2A) names; unset, the address of the request."""
    retention_deleted_days: int = Field(30, ge=0, le=3_650)
    """The days after which a deleted conversation is purged."""
    retention_days: int | None = Field(None, ge=1, le=36_500)
    """The days without a message after which a conversation is purged; unset is never."""
    model_api_bases: Annotated[Mapping[Provider, ApiBase], NoDecode] = Field(default_factory=dict)
    """A private gateway per provider, such as `{"openai": "https://gateway.example/v1"}`;
    https only in staging and production."""
    local_models: Annotated[Mapping[LocalName, LocalModel], NoDecode] = Field(default_factory=dict)
    """Models on servers of the operator's own, such as `{"qwen": {"base_url": "https://llama.example/v1",
    "model_id": "qwen3", "context_window": 32768, "max_output": 4096}}`; https only in staging and production."""
    default_embedding: Literal["vertex_ai", "local"] | None = None
    """The embedding of documents where an organisation's provider has none; unset, `vertex_ai` in staging and
    production and `local` elsewhere. `local` is refused in staging and production: no deployed function has its
    weights, nor numpy."""
    local_embedding_weights: Path | None = None
    """The folder of the weights of the local embedding model, all-MiniLM-L6-v2; `make run` installs them."""
    vertex_location: str = Field("us-central1", pattern=r"^[a-z0-9-]{2,40}$")
    """The location of Vertex AI's embedding model."""
    documents_bucket: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")
    """The bucket of the organisations' documents; unset, `{GCP_PROJECT_ID}-documents`."""
    chat_page_url: str | None = Field(None, pattern=r"^https?://[^\s?#]+$")
    """The address of the chat's page, which links in notices lead to; unset, notices have no link."""
    deliver_url: str = Field("https://deliver.invalid/", pattern=r"^https?://[^\s?#]+$")
    """The address of the function deliver in tasks; on Google Cloud the queue itself knows it, and puts it in."""
    deliver_queue: str | None = Field(None, pattern=r"^projects/[^/\s]+/locations/[^/\s]+/queues/[^/\s]+$")
    """The full resource name of the queue of deliveries, which calls deliver as an account of its own."""
    smtp_host: str | None = Field(None, pattern=r"^[A-Za-z0-9.-]+$")
    """The SMTP relay that sends mail; unset, no destination may be of kind email."""
    smtp_port: int = Field(587, ge=1, le=65_535)
    """The port of the relay."""
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to the relay is encrypted; `none` is refused in staging and production."""
    smtp_username: str | None = None
    """The user at the relay; unset, none signs in."""
    smtp_password: SecretStr | None = None
    """The password at the relay."""
    smtp_from: str | None = Field(None, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")
    """The sender of mail, such as `alerts@example.com`; needed with SMTP_HOST."""
    firestore_database: str = "(default)"
    """The name of the Firestore database."""
    firestore_emulator_host: str | None = None
    """Host and port of the Firestore emulator. Refused in staging and production."""
    bigquery_emulator_host: str | None = None
    """The URL of the BigQuery emulator. Refused in staging and production."""
    kms_emulator_host: str | None = None
    """Host and port of the KMS emulator. Refused in staging and production."""
    storage_emulator_host: str | None = None
    """The URL of the Cloud Storage emulator. Refused in staging and production."""
    cloud_tasks_emulator_host: str | None = None
    """The URL of the Cloud Tasks emulator. Refused in staging and production."""
    local_destinations: bool = False
    """Send notices to receivers on this machine too. Refused in staging and production."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe records that are written; metrics are made of records of `INFO`."""
    tracing: Literal["off", "cloud"] = "off"
    """`cloud` sends spans to Cloud Trace."""
    otel_exporter_otlp_endpoint: str | None = Field(None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    """Send spans to this collector instead (OTLP over HTTP)."""
    trace_sample_ratio: float = Field(1.0, ge=0, le=1)
    """The share of requests that are traced when the caller has not decided."""
    service_version: str = Field("dev", alias="K_REVISION")
    """The version that is reported; Cloud Run sets it."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part for part in re.split(r'[\s,"\[\]]+', value) if part)

    @field_validator("bq_max_bytes_gate", mode="before")
    @classmethod
    def _size(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError("write a number of bytes, or a size such as 10GB")
        return int(match[1]) * _UNITS[(match[2] or "B").upper()]

    @field_validator("model_api_bases", mode="before")
    @classmethod
    def _bases(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('write JSON such as {"openai": "https://gateway.example/v1"}') from None

    @field_validator("local_models", mode="before")
    @classmethod
    def _servers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value, object_pairs_hook=_once)
        except ValueError as error:
            if isinstance(error, _NamedTwiceError):
                raise
            raise ValueError(f"write JSON such as {_LOCAL_MODEL}") from None

    @field_validator("warehouse_impersonation")
    @classmethod
    def _account_pattern(cls, value: str | None) -> str | None:
        if value is not None and _ACCOUNT_PATTERN.fullmatch(value) is None:
            raise ValueError("write a service account with {org_slug} or {org_hash} before its @, such as " + _ACCOUNT)
        return value

    @model_validator(mode="after")
    def _refuse_what_only_a_laptop_may_do(self) -> Self:
        problems = []
        # An organisation's own dataset ends with _prod, that of its views with _shared.
        if self.catalog_dataset == self.organizations_dataset or self.catalog_dataset.endswith(("_prod", "_shared")):
            problems.append("CATALOG_DATASET must be a dataset of its own, and no organisation's.")
        if self.disable_auth and self.environment.is_deployed:
            problems.append("DISABLE_AUTH is honoured only in development, local and test.")
        if self.smtp_host is not None and self.smtp_from is None:
            problems.append("SMTP_FROM must be set with SMTP_HOST.")
        if self.smtp_tls == "none" and self.environment.is_deployed:
            problems.append("SMTP_TLS must be starttls or tls in staging or production.")
        if self.local_destinations and self.environment.is_deployed:
            problems.append("LOCAL_DESTINATIONS is honoured only in development, local and test.")
        hosts = {
            "FIRESTORE_EMULATOR_HOST": self.firestore_emulator_host,
            "BIGQUERY_EMULATOR_HOST": self.bigquery_emulator_host,
            "KMS_EMULATOR_HOST": self.kms_emulator_host,
            "STORAGE_EMULATOR_HOST": self.storage_emulator_host,
            "CLOUD_TASKS_EMULATOR_HOST": self.cloud_tasks_emulator_host,
        }
        if self.environment.is_deployed:
            problems += [f"{name} must not be set in staging or production." for name, host in hosts.items() if host]
            if self.default_embedding == "local":
                problems.append(
                    "DEFAULT_EMBEDDING=local is for one machine: no deployed function has the model's weights. Leave "
                    "it unset, and documents are embedded by the organisation's provider or by Vertex AI."
                )
            if not all(url.startswith("https://") for url in self.model_api_bases.values()):
                problems.append("MODEL_API_BASES must use https in staging or production: provider keys go there.")
            if not all(model.base_url.startswith("https://") for model in self.local_models.values()):
                problems.append("LOCAL_MODELS must use https in staging or production: questions and costs go there.")
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @model_validator(mode="after")
    def _send_spans_to_one_place(self) -> Self:
        if self.tracing == "cloud" and self.otel_exporter_otlp_endpoint is not None:
            raise ValueError("Set TRACING=cloud or OTEL_EXPORTER_OTLP_ENDPOINT, not both.")
        return self

    @property
    def traces_endpoint(self) -> str | None:
        """The address that spans are sent to, over OTLP. None if tracing is off."""
        if self.tracing == "cloud":
            return CLOUD_TRACE
        base = self.otel_exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else None

    @property
    def embedding(self) -> Literal["vertex_ai", "local"]:
        """The embedding of documents where an organisation's provider has none."""
        return self.default_embedding or ("vertex_ai" if self.environment.is_deployed else "local")

    @property
    def documents_bucket_name(self) -> str:
        """The name of the bucket of the organisations' documents."""
        return self.documents_bucket or f"{self.gcp_project_id}-documents"

    @property
    def kms_key_path(self) -> str:
        """The full resource name of the key that wraps provider keys."""
        return self.kms_key_name or self._in_key_ring(self.kms_key)

    @property
    def kms_token_key_path(self) -> str:
        """The full resource name of the key that wraps the secrets of token issuers."""
        return self.kms_token_key_name or self._in_key_ring(self.kms_token_key)

    def _in_key_ring(self, key: str) -> str:
        place = f"projects/{self.gcp_project_id}/locations/{self.kms_location}"
        return f"{place}/keyRings/{self.kms_keyring}/cryptoKeys/{key}"


class _NamedTwiceError(ValueError):
    """A name stands twice in one JSON object, of which JSON's readers would silently drop one."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _NamedTwiceError(f"{', '.join(twice)}: named more than once")
    return dict(pairs)


def load_settings() -> Settings:
    """Read the environment, or raise InvalidSettings with one sentence per problem."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            # The variable's own name, and inside its JSON the names as they were written.
            variable, *inside = (str(part) for part in problem["loc"] or ("",))
            name = ".".join([variable.upper(), *inside])
            lines.append(f"{name}: {problem['msg']}" if name else problem["msg"])
        # The cause is dropped on purpose: it would print the values of the environment.
        raise InvalidSettings("\n".join(lines)) from None
