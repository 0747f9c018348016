"""The providers and models an organisation may use, read from catalog.yml and checked whole at the first use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.errors import SetupRequired
from common.models.prices import LongContext, Prices, Tier

_NOT_SERVED = "The organisation's chat settings name a provider that is not served. Choose another one."
_NO_SUCH_ID = "The organisation's chat settings name a model by an id that no model has. Choose another one."
# A model's id becomes part of a request, of its address for some providers: no "..", no empty part, nothing to escape.
_PART = r"[A-Za-z0-9][A-Za-z0-9._:@-]*"
MODEL_ID = re.compile(rf"{_PART}(?:/{_PART})*")
_MODEL_ID_IN_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")

OutputLimit = Literal["max_tokens", "max_completion_tokens"]
Wire = Literal["openai", "anthropic", "gemini", "litellm"]
Thoughts = Literal["reasoning_content", "thinking_blocks", "thought_signatures"]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyForm(_Checked):
    """The form of a provider's keys, and a sentence that says it, where another kind of key is likely to be sent."""

    pattern: str
    says: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue, and the way to call
    it. Windows and outputs are tokens; ``max_temperature`` is None where one is refused.

    The catalogue's file says what each trait means; ``prices`` is None where they are unknown.
    """

    provider: str
    model_id: str
    litellm_name: str
    context_window: int
    max_output: int
    max_temperature: float | None
    output_limit: OutputLimit
    reasoning: bool
    api_base: str | None
    wire: Wire = "litellm"
    cache_markers: bool = False
    tools_stay: bool = False
    asks_for_usage: bool = True
    listed: bool = True
    tools: bool = True
    system: bool = True
    effort_with_tools: Literal["none"] | None = None
    thoughts: Thoughts | None = None
    signs_calls: bool = False
    prices: Prices | None = None
    needs_key: bool = True
    # What litellm is told beside the call: where the model is, and the version of the API.
    options: tuple[tuple[str, str], ...] = ()
    key_form: KeyForm | None = None

    @property
    def api_name(self) -> str:
        """The name of the model in the provider's API."""
        return self.litellm_name.split("/", 1)[1]

    def cost(
        self, input_tokens: int, output_tokens: int, cached_tokens: int = 0, cache_write_tokens: int = 0
    ) -> Decimal | None:
        """US dollars of one call; None where the prices are unknown."""
        if self.prices is None:
            return None
        return self.prices.cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as a settings page lists it. Prices are US dollars for a million tokens; None where unknown."""

    provider: str
    model_id: str
    context_window: int
    max_output: int
    input_price: Decimal | None
    output_price: Decimal | None


class _Traits(_Checked):
    context_window: int = Field(gt=0)
    max_output: int = Field(gt=0)
    temperature: bool
    output_limit: OutputLimit
    reasoning: bool
    tools: bool = True
    system: bool = True
    effort_with_tools: Literal["none"] | None = None
    thoughts: Thoughts | None = None
    signs_calls: bool = False


class _Model(_Traits):
    id: str | None = None
    aliases: tuple[str, ...] = ()
    input_price: Decimal | None = Field(None, ge=0)
    output_price: Decimal | None = Field(None, ge=0)
    cached_input_price: Decimal | None = Field(None, ge=0)
    cache_write_price: Decimal | None = Field(None, ge=0)
    long_context: LongContext | None = None

    def prices(self) -> Prices | None:
        """The model's prices; None where the file has none."""
        if self.input_price is None or self.output_price is None:
            return None
        tier = Tier(
            input_price=self.input_price,
            output_price=self.output_price,
            cached_input_price=self.cached_input_price,
            cache_write_price=self.cache_write_price,
        )
        return Prices(tier, self.long_context)


class _Provider(_Checked):
    prefix: str
    api_base: str | None = Field(None, pattern=r"^https://[^/]+(/[^/]+)*$")
    api_base_at: Mapping[str, str] = Field(default_factory=dict)
    places: Mapping[str, str] = Field(default_factory=dict)
    api_version: str | None = None
    options: Mapping[str, str] = Field(default_factory=dict)
    key_form: KeyForm | None = None
    aliases: tuple[str, ...] = ()
    local_only: bool = False
    id_in_address: bool = False
    id_pattern: str | None = None
    wire: Wire = "litellm"
    cache_markers: bool = False
    tools_stay: bool = False
    asks_for_usage: bool = True
    max_temperature: float = Field(gt=0)
    defaults: _Traits
    models: Mapping[str, _Model]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _unique([name for key, model in self.models.items() for name in _names(key, model)])
        return self

    @model_validator(mode="after")
    def _addresses_name_places(self) -> Self:
        named = {name: name for name in (*self.places, "api_version")}
        for template in (self.api_base or "", *self.api_base_at.values(), *self.options.values()):
            try:
                template.format(**named)
            except (KeyError, ValueError, IndexError):
                raise ValueError(f"{template}: it names a place that is none of the provider's") from None
        return self

    @property
    def form(self) -> str | None:
        """The form of a model's name where it says where the model is, as ``{region}/{model}``; None elsewhere."""
        return "/".join(f"{{{name}}}" for name in (*self.places, "model")) if self.places else None

    def locate(self, written: str) -> "_Located | None":
        """Read where a model is off its name. Returns None for a name that no model of this provider can have."""
        *places, name = written.split("/", len(self.places))
        if len(places) != len(self.places):
            return None
        found = dict(zip(self.places, places, strict=True))
        if not all(re.fullmatch(pattern, found[place]) for place, pattern in self.places.items()):
            return None
        if self.api_version is not None:
            name, _, version = name.partition("@")
            if version and not _API_VERSION.fullmatch(version):
                return None
            found["api_version"] = version or self.api_version
        usual = _MODEL_ID_IN_ADDRESS if self.id_in_address else MODEL_ID
        if not re.fullmatch(self.id_pattern or usual.pattern, name):
            return None
        base = next((self.api_base_at[place] for place in places if place in self.api_base_at), self.api_base)
        options = tuple((option, text.format(**found)) for option, text in self.options.items())
        return _Located(name, base and base.format(**found), options)

    def traits_of(self, model_id: str) -> _Traits:
        """The traits of an unlisted model: its provider's careful defaults.

        A snapshot or a variant of a listed model (``gpt-5.6-2026-08-01``) has the demands of that model's API.
        """
        kin = [key for key in self.models if model_id.startswith(f"{key}-")]
        if not kin:
            return self.defaults
        nearest = self.models[max(kin, key=len)]
        demands = ("reasoning", "tools", "system", "effort_with_tools", "thoughts", "signs_calls")
        return self.defaults.model_copy(update={name: getattr(nearest, name) for name in demands})

    def find(self, model_id: str) -> tuple[str, _Model] | None:
        """The model that goes by this name, with the name the catalogue lists it by."""
        return next(((key, model) for key, model in self.models.items() if model_id in _names(key, model)), None)


@dataclass(frozen=True, slots=True)
class _Located:
    """A model's own name, the address of its API, and what litellm is told of both."""

    name: str
    api_base: str | None
    options: tuple[tuple[str, str], ...]


class _Catalog(_Checked):
    providers: Mapping[str, _Provider]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _unique([name for key, provider in self.providers.items() for name in (key, *provider.aliases)])
        return self


def canonical(provider: str) -> str | None:
    """The catalogue's name of a provider, whichever of its names and whichever case was written; None if unknown."""
    written = provider.strip().lower()
    providers = _catalog().providers
    return next((key for key, entry in providers.items() if written == key or written in entry.aliases), None)


@lru_cache(1024)
def resolve(provider: str, model_id: str, *, deployed: bool) -> Model:
    """Find a model; one the catalogue does not list gets its provider's defaults.

    Raises SetupRequired for a provider that is not served here, and for an id that cannot be a model's.
    """
    key, entry = _served(provider, deployed=deployed)
    written = model_id.strip().removeprefix(f"{entry.prefix}/")
    located = entry.locate(written)
    if located is None:
        raise SetupRequired(_NO_SUCH_ID)
    found = entry.find(located.name)
    traits: _Traits = found[1] if found else entry.traits_of(located.name)
    api_name = (found[1].id or found[0]) if found else located.name
    return Model(
        provider=key,
        model_id=written,
        litellm_name=f"{entry.prefix}/{api_name}",
        context_window=traits.context_window,
        max_output=traits.max_output,
        max_temperature=entry.max_temperature if traits.temperature else None,
        output_limit=traits.output_limit,
        reasoning=traits.reasoning,
        api_base=located.api_base,
        wire=entry.wire,
        cache_markers=entry.cache_markers,
        tools_stay=entry.tools_stay,
        asks_for_usage=entry.asks_for_usage,
        listed=found is not None,
        tools=traits.tools,
        system=traits.system,
        effort_with_tools=traits.effort_with_tools,
        thoughts=traits.thoughts,
        signs_calls=traits.signs_calls,
        prices=found[1].prices() if found else None,
        options=located.options,
        key_form=entry.key_form,
    )


def lists(provider: str, model_id: str) -> bool:
    """Return true if the catalogue lists this model of a provider."""
    key = canonical(provider)
    if key is None:
        return False
    located = _catalog().providers[key].locate(model_id)
    return located is not None and _catalog().providers[key].find(located.name) is not None


def form_of(provider: str) -> str | None:
    """Return the form of a model's name where it says where the model is; None for any other provider."""
    key = canonical(provider)
    return None if key is None else _catalog().providers[key].form


def models_of(provider: str, *, deployed: bool) -> tuple[Offer, ...]:
    """The listed models of a provider, in the catalogue's order. Raises SetupRequired as ``resolve`` does."""
    key, entry = _served(provider, deployed=deployed)
    return tuple(
        Offer(
            key,
            (entry.form or "{model}").replace("{model}", model_id),
            model.context_window,
            model.max_output,
            model.input_price,
            model.output_price,
        )
        for model_id, model in entry.models.items()
    )


def providers_of(*, deployed: bool) -> tuple[str, ...]:
    """The providers that are served here."""
    return tuple(key for key, entry in _catalog().providers.items() if not (deployed and entry.local_only))


def parse(text: str) -> _Catalog:
    """Check a catalogue's YAML whole. Raises pydantic's ValidationError."""
    return _Catalog.model_validate(yaml.safe_load(text))


def _served(provider: str, *, deployed: bool) -> tuple[str, _Provider]:
    key = canonical(provider)
    if key is None or key not in providers_of(deployed=deployed):
        raise SetupRequired(_NOT_SERVED)
    return key, _catalog().providers[key]


def _names(key: str, model: _Model) -> tuple[str, ...]:
    return (key, *model.aliases) if model.id is None else (key, model.id, *model.aliases)


def _unique(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}")


@cache
def _catalog() -> _Catalog:
    return parse(Path(__file__).with_name("catalog.yml").read_text(encoding="utf-8"))
