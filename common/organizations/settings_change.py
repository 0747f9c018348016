"""The body of a settings change, each field within its bounds."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, ConfigDict, Field, SecretStr, model_validator

from common import limits
from common.bodies import Body
from common.models.catalog import MODEL_ID

_MODEL_ID = f"^{MODEL_ID.pattern}$"
_KEY = re.compile(rf"[\x21-\x7e]{{{limits.PROVIDER_KEY_MIN_CHARS},{limits.PROVIDER_KEY_MAX_CHARS}}}")


_CLEARED_BY_NULL = {
    "fast_model_id", "system_prompt_extra", "daily_token_limit", "monthly_cost_limit_usd", "user_daily_token_limit",
    "user_monthly_cost_limit_usd", "answer_cache_seconds",
}  # fmt: skip
# Dollars and cents; a JSON number, which strictness would refuse as a decimal.
DollarLimit = Annotated[
    Decimal,
    Field(strict=False, gt=0, le=limits.MAX_COST_LIMIT_USD, decimal_places=2, allow_inf_nan=False),
]


def _plausible(key: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(key.get_secret_value()):
        raise ValueError(
            f"a key has {limits.PROVIDER_KEY_MIN_CHARS} to {limits.PROVIDER_KEY_MAX_CHARS} printable ASCII characters "
            "and no spaces"
        )
    return key


class FallbackChange(Body):
    """One further model that may answer; without a key, a stored one of its provider pays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    provider: str = Field(min_length=1, max_length=limits.MODEL_ID_CHARS)
    model: str = Field(
        max_length=limits.MODEL_ID_CHARS,
        pattern=_MODEL_ID,
        validation_alias=AliasChoices("model", "model_id"),
    )
    key: Annotated[SecretStr, AfterValidator(_plausible)] | None = None
    credential_name: str | None = Field(None, min_length=1, max_length=limits.CREDENTIAL_NAME_CHARS)

    @model_validator(mode="after")
    def _name_goes_with_a_key(self) -> Self:
        if self.credential_name is not None and self.key is None:
            raise ValueError("credential_name is given with a key")
        return self


class SettingsChange(Body):
    """The body of PUT settings: a field that is left out stays as it is.

    ``system_prompt_extra`` null clears it, and so does null a limit or the fast model, and an empty ``fallback``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    provider: str | None = Field(None, min_length=1, max_length=limits.MODEL_ID_CHARS)
    model: str | None = Field(
        None,
        max_length=limits.MODEL_ID_CHARS,
        pattern=_MODEL_ID,
        validation_alias=AliasChoices("model", "model_id"),
    )
    key: Annotated[SecretStr, AfterValidator(_plausible)] | None = None
    credential_name: str | None = Field(None, min_length=1, max_length=limits.CREDENTIAL_NAME_CHARS)
    temperature: float | None = Field(None, ge=0, le=limits.MAX_TEMPERATURE, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=limits.MAX_ANSWER_TOKENS)
    include_org_context: bool | None = None
    enable_memory: bool | None = None
    max_history_messages: int | None = Field(None, ge=0, le=limits.MAX_HISTORY_MESSAGES)
    system_prompt_extra: str | None = Field(None, max_length=limits.SYSTEM_PROMPT_EXTRA_CHARS)
    fallback: list[FallbackChange] | None = Field(None, max_length=limits.MAX_FALLBACKS)
    allow_external_fallback: bool | None = None
    daily_token_limit: int | None = Field(None, ge=1, le=limits.MAX_TOKEN_LIMIT)
    monthly_cost_limit_usd: DollarLimit | None = None
    fast_model_id: str | None = Field(None, max_length=limits.MODEL_ID_CHARS, pattern=_MODEL_ID)
    user_daily_token_limit: int | None = Field(None, ge=1, le=limits.MAX_TOKEN_LIMIT)
    user_monthly_cost_limit_usd: DollarLimit | None = None
    answer_cache_seconds: int | None = Field(None, ge=limits.ANSWER_CACHE_LEAST, le=limits.ANSWER_CACHE_MOST)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one setting to change")
        empty = [name for name in self.changed if getattr(self, name) is None and name not in _CLEARED_BY_NULL]
        if empty:
            raise ValueError(f"{', '.join(empty)} cannot be null; leave out what stays as it is")
        if self.credential_name is not None and self.key is None:
            raise ValueError("credential_name is given with a key")
        return self

    @property
    def changed(self) -> list[str]:
        """The names of the fields that were given."""
        return sorted(self.model_fields_set)
