"""The documents of the demo organisations: policies, a contract and a runbook, of our own writing."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from common.errors import ServiceError
from common.knowledge.ingestion import document_id_of
from common.services import Services
from common.tenant import OrgSlug, UserId, parse_org_slug

FOLDER = Path(__file__).parent / "documents"
_BY = UserId("demo")


def files(org: str) -> list[Path]:
    """The files of a demo organisation; none of any other one."""
    return sorted((FOLDER / org).glob("*.*"))


async def load_documents(services: Services, orgs: Iterable[str]) -> str:
    """Add the documents that were never added before. Returns why some are missing; empty where none is."""
    for org in orgs:
        try:
            await _load(services, parse_org_slug(org))
        except ServiceError as error:
            return f"The demo documents are not all there: {error.detail}"
    return ""


async def _load(services: Services, org: OrgSlug) -> None:
    tenant, knowledge = services.directory.tenant(org), services.knowledge
    for path in files(org):
        data = path.read_bytes()
        # One that somebody has deleted stays so.
        if await knowledge.store.read(tenant, document_id_of(hashlib.sha256(data).hexdigest())) is None:
            await knowledge.ingestion.add(tenant, path.name, data, _BY)
