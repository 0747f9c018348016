"""The providers and models an organisation may use, read from catalog.yml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from common.errors import SetupRequired


@dataclass(frozen=True, slots=True)
class Model:
    """How to call a model: litellm's name for it and its context window in tokens."""

    provider: str
    model_id: str
    litellm_name: str
    context_window: int


def resolve(provider: str, model_id: str, *, deployed: bool) -> Model:
    """Find a model; one the catalogue does not list gets its provider's defaults.

    Raises SetupRequired for a provider that is not served here.
    """
    entry = _providers().get(provider.lower())
    if entry is None or (deployed and entry.get("local_only", False)):
        raise SetupRequired("The organisation's chat settings name a provider that is not served. Choose another one.")
    known = entry["models"].get(model_id, {})
    return Model(
        provider=provider.lower(),
        model_id=model_id,
        litellm_name=f"{entry['prefix']}/{model_id}",
        context_window=known.get("context_window", entry["context_window"]),
    )


@cache
def _providers() -> dict[str, Any]:
    text = Path(__file__).with_name("catalog.yml").read_text(encoding="utf-8")
    providers: dict[str, Any] = yaml.safe_load(text)["providers"]
    return providers
