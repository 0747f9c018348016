"""Chooses what a change of settings names as fallback: further models, each with a credential that was checked."""

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from common.errors import KeyInvalid, ModelCannotUseTools, ModelError, SetupRequired, Unprocessable
from common.models.catalog import Model
from common.organizations.key_check import KeyCheck
from common.organizations.offering import LOCAL, Offering
from common.organizations.organization import ChatSettings, FallbackChoice
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import NO_CREDENTIAL, calls_tools, same_provider
from common.organizations.settings_change import FallbackChange, SettingsChange
from common.secret import Secret
from common.tenant import Tenant

_NO_TOOLS = "this model cannot call tools, so it cannot stand in for one that can. Choose another one."
_LEAVES_HOME = (
    "fallback: questions to a model on the operator's own server would go to another provider. Send "
    "allow_external_fallback true if they may, or name a local model."
)


@dataclass(frozen=True, slots=True)
class Main:
    """The model of the settings themselves, the credential that pays for it, and whether it calls tools."""

    model: Model
    credential_id: str
    calls_tools: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A new credential, as its row will be."""

    credential_id: str
    provider: str
    credential_name: str
    ciphertext: bytes

    def values(self) -> dict[str, Any]:
        """The parameters of the statement that adds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChosenFallback:
    """The fallback as the settings will have it, and the credentials that are new."""

    choices: tuple[FallbackChoice, ...]
    allows_external: bool
    added: tuple[Stored, ...] = ()

    def as_json(self) -> str:
        """The column's text."""
        return json.dumps([asdict(choice) for choice in self.choices])


@dataclass(frozen=True, slots=True)
class FallbackChooser:
    """Checks every model that is newly named, with the key that is sent for it or with one that is stored.

    ``stored_key`` names the stored credential of a model's provider; its key is not opened.
    """

    offering: Offering
    provider_keys: ProviderKeys
    key_check: KeyCheck
    stored_key: Callable[[Tenant, Model], Awaitable[str]]

    def check(self, old: ChatSettings | None, change: SettingsChange, main: Model) -> list[tuple[str, str]]:
        """Refuse what settings with this model of their own may not name, before anybody is asked.

        Returns the provider and id of each model that they will name. Raises Unprocessable.
        """
        names = [(main.provider, main.model_id)]
        if change.fallback is not None:
            models = [self._model(number, entry) for number, entry in enumerate(change.fallback)]
            names += [(model.provider, model.model_id) for model in models]
        elif old is not None:
            names += [(each.provider, each.model_id) for each in old.fallback]
        if len(set(names)) < len(names):
            raise Unprocessable("fallback: a model is named twice. Name other models than the settings' own.")
        outside = any(not same_provider(provider, LOCAL) for provider, _ in names)
        if main.provider == LOCAL and outside and not _allows_external(old, change):
            raise Unprocessable(_LEAVES_HOME)
        return names

    async def choose(
        self,
        tenant: Tenant,
        old: ChatSettings | None,
        change: SettingsChange,
        main: Main,
        *,
        key_replaced: bool,
    ) -> ChosenFallback:
        """Choose for settings whose own model and credential are ``main``, after ``check``.

        Raises Unprocessable, KeyInvalid, SetupRequired or the ModelError family.
        """
        allowed = _allows_external(old, change)
        kept = _moved(old, main, replaced=key_replaced)
        if change.fallback is None:
            return ChosenFallback(kept, allowed)
        choices: list[FallbackChoice] = []
        new: list[Stored] = []
        for number, entry in enumerate(change.fallback):
            model = self._model(number, entry)
            try:
                choice = await self._choice(tenant, entry, model, _known(model, main, kept, new), new)
                if main.calls_tools and not calls_tools(model, choice.calls_tools):
                    raise ModelCannotUseTools(_NO_TOOLS)
            except (KeyInvalid, SetupRequired, ModelError) as error:
                raise type(error)(f"fallback.{number}: {error.detail}", retry_after=error.retry_after) from None
            choices.append(choice)
        return ChosenFallback(tuple(choices), allowed, tuple(new))

    def _model(self, number: int, entry: FallbackChange) -> Model:
        try:
            model = self.offering.resolve(entry.provider, entry.model)
        except SetupRequired:
            form = self.offering.form_of(entry.provider)
            raise Unprocessable(
                f"fallback.{number}.model: a model of this provider is named as {form}."
                if form
                else f"fallback.{number}.provider: this provider or its model is not served here. Choose another one."
            ) from None
        if entry.key is None and not self.offering.lists(model.provider, model.model_id):
            raise Unprocessable(
                f"fallback.{number}.model: it is not a listed one. Send the key with it, so that both can be checked."
            )
        return model

    async def _choice(
        self, tenant: Tenant, entry: FallbackChange, model: Model, known: Sequence[FallbackChoice], new: list[Stored]
    ) -> FallbackChoice:
        """One further model with the credential that pays for it; a new one is added to ``new``."""
        named = FallbackChoice(model.provider, model.model_id, NO_CREDENTIAL)
        before = next((each for each in known if each.model_id == model.model_id), None)
        if entry.key is not None:
            key = Secret(entry.key.get_secret_value())
            try:
                found = await self.key_check.check(model, key)
                credential_id = str(uuid.uuid4())
                ciphertext = await self.provider_keys.encrypt(tenant, credential_id, key)
            finally:
                key.drop()
            name = entry.credential_name or f"{model.provider} key"
            new.append(Stored(credential_id, model.provider, name, ciphertext))
            return replace(named, credential_id=credential_id, calls_tools=found)
        if not model.needs_key:
            return before or replace(named, calls_tools=await self.key_check.check(model, Secret("")))
        paying = next((each.credential_id for each in known if each.credential_id != NO_CREDENTIAL), None)
        credential_id = paying or await self.stored_key(tenant, model)
        return replace(named, credential_id=credential_id, calls_tools=before.calls_tools if before else None)


def _moved(old: ChatSettings | None, main: Main, *, replaced: bool) -> tuple[FallbackChoice, ...]:
    """The choices as they were; those that the old key paid for are paid for by the one that replaces it."""
    if old is None:
        return ()
    if not replaced or not same_provider(old.provider, main.model.provider):
        return old.fallback
    return tuple(
        replace(each, credential_id=main.credential_id) if each.credential_id == old.credential_id else each
        for each in old.fallback
    )


def _known(model: Model, main: Main, kept: Sequence[FallbackChoice], new: Sequence[Stored]) -> Sequence[FallbackChoice]:
    """List the uses of credentials of the model's provider, the likeliest to be meant first."""
    same = [each for each in kept if same_provider(each.provider, model.provider)]
    sent = [FallbackChoice(each.provider, "", each.credential_id) for each in new if each.provider == model.provider]
    own = [FallbackChoice(main.model.provider, "", main.credential_id)] if main.model.provider == model.provider else []
    exact = [each for each in same if each.model_id == model.model_id]
    return [*exact, *sent, *own, *same]


def _allows_external(old: ChatSettings | None, change: SettingsChange) -> bool:
    if change.allow_external_fallback is not None:
        return change.allow_external_fallback
    return old is not None and old.allow_external_fallback
