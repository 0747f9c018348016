"""The embedding space of an organisation: its provider's where it has one, else the operator's choice."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from common.errors import (
    EmbeddingUnavailable,
    KeyInvalid,
    KeyServiceUnavailable,
    SetupRequired,
    Unauthenticated,
    WarehouseUnavailable,
)
from common.knowledge.embedding import formats, spaces
from common.knowledge.embedding.formats import EmbeddingFormat
from common.knowledge.embedding.operators import OperatorsEmbedders
from common.knowledge.embedding.remote import RemoteEmbedder
from common.knowledge.embedding.space import Embedder, EmbeddingSpace, SpaceName
from common.models import catalog
from common.organizations.directory import Directory
from common.organizations.offering import Offering
from common.organizations.organization import Credential
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import credential_for, served_by
from common.settings import Settings
from common.tenant import Tenant

_FORMATS: Mapping[str, EmbeddingFormat] = {
    "openai": formats.OPENAI,
    "mistral": formats.MISTRAL,
    "gemini": formats.GEMINI,
}
_KEY_HEADERS: Mapping[str, tuple[str, str]] = {"gemini": ("x-goog-api-key", "")}
_BEARER = ("Authorization", "Bearer ")
_KEY_GONE = (
    "The key of the provider that has embedded these documents is gone. They are embedded anew in the background; try "
    "again in a few minutes."
)


class ChosenEmbeddings:
    """Finds the embedders of an organisation."""

    def __init__(
        self, settings: Settings, directory: Directory, provider_keys: ProviderKeys, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._provider_keys = provider_keys
        self._clock = clock
        self._operators = OperatorsEmbedders(settings)

    async def wanted(self, tenant: Tenant) -> Embedder:
        """Return the embedder of the organisation's new documents. Raises EmbeddingUnavailable."""
        return await self._of_provider(tenant) or self.shared

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:
        """Return the embedder of a space that documents are in. Raises EmbeddingUnavailable."""
        for embedder in (self._operators.local, self._operators.vertex):
            if embedder.space.name == space:
                return embedder
        own = await self._of_provider(tenant)
        if own is not None and own.space.name == space:
            return own
        return await self._of_former_provider(tenant, space)

    @property
    def shared(self) -> Embedder:
        """The operator's embedder: of texts that are nobody's own, and of organisations whose provider has none."""
        return self._operators.shared

    async def _of_provider(self, tenant: Tenant) -> RemoteEmbedder | None:
        """The embedder of the organisation's own provider. Returns None if it has none, or no key that serves."""
        try:
            organization = (await self._directory.look_up(tenant, None)).organization
        except Unauthenticated:
            # No such organisation: it has left, and what is still done of it needs no provider.
            return None
        if organization is None or organization.settings is None:
            return None
        provider = catalog.canonical(organization.settings.provider) or ""
        space = spaces.OF_PROVIDERS.get(provider)
        if space is None:
            return None
        try:
            served = served_by(organization, Offering.of(self._settings), self._clock())
        except (SetupRequired, KeyInvalid):
            return None
        if served.credential is None or served.model.api_base is None:
            return None
        return self._remote(tenant, space, served.credential, served.model.api_base)

    async def _of_former_provider(self, tenant: Tenant, name: SpaceName) -> RemoteEmbedder:
        """The embedder of documents that are not yet in the new provider's space. Raises EmbeddingUnavailable."""
        space = next((each for each in spaces.OF_PROVIDERS.values() if each.name == name), None)
        if space is not None:
            try:
                credential = await self._directory.kept_credential(tenant, space.provider)
                model = catalog.resolve(space.provider, space.model_id, deployed=self._settings.environment.is_deployed)
                if credential is not None and model.api_base is not None:
                    credential_for(model, space.provider, credential.credential_id, credential, self._clock())
                    return self._remote(tenant, space, credential, model.api_base)
            except (SetupRequired, KeyInvalid, WarehouseUnavailable):
                pass
        raise EmbeddingUnavailable(_KEY_GONE)

    def _remote(self, tenant: Tenant, space: EmbeddingSpace, credential: Credential, api_base: str) -> RemoteEmbedder:
        bases: Mapping[str, Any] = {str(name): base for name, base in self._settings.model_api_bases.items()}
        address = str(bases.get(space.provider) or api_base).rstrip("/")
        headers = partial(self._opened, tenant, credential, _KEY_HEADERS.get(space.provider, _BEARER))
        return RemoteEmbedder(space, address, _FORMATS[space.provider], headers, self._operators.sockets)

    @asynccontextmanager
    async def _opened(
        self, tenant: Tenant, credential: Credential, header: tuple[str, str]
    ) -> AsyncIterator[Mapping[str, str]]:
        name, scheme = header
        try:
            async with self._provider_keys.opened(tenant, credential.credential_id, credential.ciphertext) as key:
                yield {name: f"{scheme}{key.reveal()}"}
        except (KeyInvalid, KeyServiceUnavailable) as error:
            # For this error, whoever embeds gives back what it has claimed.
            raise EmbeddingUnavailable(error.detail) from error

    async def close(self) -> None:
        """Close the sockets."""
        await self._operators.close()
