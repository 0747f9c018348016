"""The models that are served here: the catalogue's, and those on the operator's own servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import SetupRequired
from common.models import catalog
from common.models.catalog import Model, Offer
from common.models.prices import Prices, Tier
from common.settings import LocalModel, Settings

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Offering:
    """Finds models by the names that settings use; the address of a local one is the operator's alone to name."""

    deployed: bool
    local_models: Mapping[str, LocalModel] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Offering":
        """The offering of an environment."""
        return cls(settings.environment.is_deployed, settings.local_models)

    def resolve(self, provider: str, model_id: str) -> Model:
        """Find a model. Raises SetupRequired for a provider that is not served here, or an unknown local model."""
        if not self._is_local(provider):
            return catalog.resolve(provider, model_id, deployed=self.deployed)
        name = model_id.strip().removeprefix(f"{LOCAL}/")
        if name not in self.local_models:
            raise SetupRequired("The organisation's chat settings name a model that is no longer served here.")
        return _model(name, self.local_models[name])

    def form_of(self, provider: str) -> str | None:
        """Return the form of a model's name where it says where the model is; None for any other provider."""
        return None if self._is_local(provider) else catalog.form_of(provider)

    def lists(self, provider: str, model_id: str) -> bool:
        """Tell whether a model is listed."""
        if self._is_local(provider):
            return model_id in self.local_models
        return catalog.lists(provider, model_id)

    def models_of(self, provider: str) -> tuple[Offer, ...]:
        """The listed models of a provider. Raises SetupRequired as ``resolve`` does."""
        if not self._is_local(provider):
            return catalog.models_of(provider, deployed=self.deployed)
        return tuple(
            Offer(LOCAL, name, model.context_window, model.max_output, model.input_price, model.output_price)
            for name, model in self.local_models.items()
        )

    def providers(self) -> tuple[str, ...]:
        """The providers that are served here."""
        return (*catalog.providers_of(deployed=self.deployed), *((LOCAL,) if self.local_models else ()))

    def _is_local(self, provider: str) -> bool:
        return bool(self.local_models) and provider.strip().lower() == LOCAL


def _model(name: str, model: LocalModel) -> Model:
    return Model(
        provider=LOCAL,
        model_id=name,
        litellm_name=f"openai/{model.model_id}",
        context_window=model.context_window,
        max_output=model.max_output,
        max_temperature=2.0 if model.temperature else None,
        output_limit="max_tokens",
        reasoning=model.reasoning,
        api_base=model.base_url.rstrip("/"),
        wire="openai",
        tools=model.calls_tools,
        prices=Prices(Tier(input_price=model.input_price, output_price=model.output_price)),
        needs_key=model.needs_key,
    )
