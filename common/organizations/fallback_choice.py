"""Chooses what a change of settings names as fallback: further models, each with a credential that was checked."""

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from common.errors import KeyInvalid, ModelError, SetupRequired, Unprocessable
from common.models.catalog import Model
from common.organizations.directory import ChatSettings, FallbackChoice
from common.organizations.key_check import KeyCheck
from common.organizations.offering import LOCAL, Offering
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import NO_CREDENTIAL, same_provider
from common.organizations.settings_change import FallbackChange, SettingsChange
from common.secret import Secret
from common.tenant import Tenant

_LEAVES_HOME = (
    "fallback: questions to a model on the operator's own server would go to another provider. Send "
    "allow_external_fallback true if they may, or name a local model."
)


# The model of the settings themselves, and the credential that pays for it.
Main = tuple[Model, str]


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
    """What the settings will say of the fallback, and the credentials that are new."""

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

    def check(self, old: ChatSettings | None, change: SettingsChange, main: Model) -> None:
        """Refuse what settings with this model of their own may not name, before anybody is asked.

        Raises Unprocessable.
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
                credential_id = await self._credential(tenant, entry, model, _known(model, main, kept, new), new)
            except (KeyInvalid, SetupRequired, ModelError) as error:
                raise type(error)(f"fallback.{number}: {error.detail}", retry_after=error.retry_after) from None
            choices.append(FallbackChoice(model.provider, model.model_id, credential_id))
        return ChosenFallback(tuple(choices), allowed, tuple(new))

    def _model(self, number: int, entry: FallbackChange) -> Model:
        try:
            model = self.offering.resolve(entry.provider, entry.model)
        except SetupRequired:
            raise Unprocessable(
                f"fallback.{number}.provider: this provider or its model is not served here. Choose another one."
            ) from None
        if entry.key is None and not self.offering.lists(model.provider, model.model_id):
            raise Unprocessable(
                f"fallback.{number}.model: it is not a listed one. Send the key with it, so that both can be checked."
            )
        return model

    async def _credential(
        self, tenant: Tenant, entry: FallbackChange, model: Model, known: Sequence[FallbackChoice], new: list[Stored]
    ) -> str:
        """The credential that pays for one further model; a new one is added to ``new``."""
        if entry.key is not None:
            credential = await self._checked(tenant, entry, model, Secret(entry.key.get_secret_value()))
            new.append(credential)
            return credential.credential_id
        if not model.needs_key:
            if all(each.model_id != model.model_id for each in known):
                await self.key_check.check(model, Secret(""))
            return NO_CREDENTIAL
        paying = next((each.credential_id for each in known if each.credential_id != NO_CREDENTIAL), None)
        return paying or await self.stored_key(tenant, model)

    async def _checked(self, tenant: Tenant, entry: FallbackChange, model: Model, key: Secret) -> Stored:
        try:
            await self.key_check.check(model, key)
            credential_id = str(uuid.uuid4())
            ciphertext = await self.provider_keys.encrypt(tenant, credential_id, key)
        finally:
            key.drop()
        return Stored(credential_id, model.provider, entry.credential_name or f"{model.provider} key", ciphertext)


def _moved(old: ChatSettings | None, main: Main, *, replaced: bool) -> tuple[FallbackChoice, ...]:
    """The choices as they were; those that the old key paid for are paid for by the one that replaces it."""
    if old is None:
        return ()
    if not replaced or not same_provider(old.provider, main[0].provider):
        return old.fallback
    return tuple(
        replace(each, credential_id=main[1]) if each.credential_id == old.credential_id else each
        for each in old.fallback
    )


def _known(model: Model, main: Main, kept: Sequence[FallbackChoice], new: Sequence[Stored]) -> Sequence[FallbackChoice]:
    """Who uses a credential of the model's provider already, the likeliest to be meant first."""
    same = [each for each in kept if same_provider(each.provider, model.provider)]
    sent = [FallbackChoice(each.provider, "", each.credential_id) for each in new if each.provider == model.provider]
    own = [FallbackChoice(main[0].provider, "", main[1])] if main[0].provider == model.provider else []
    exact = [each for each in same if each.model_id == model.model_id]
    return [*exact, *sent, *own, *same]


def _allows_external(old: ChatSettings | None, change: SettingsChange) -> bool:
    if change.allow_external_fallback is not None:
        return change.allow_external_fallback
    return old is not None and old.allow_external_fallback
