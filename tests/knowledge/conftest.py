"""The services of documents over the emulators, for an organisation of each test's own."""

import uuid
from collections.abc import AsyncIterator

import pytest

from common.documents import Documents
from common.knowledge.services import KnowledgeServices
from common.services import utc_now
from common.settings import load_settings
from common.tenant import Tenant, parse_org_slug
from tests.conftest import PROJECT, Cloud


def a_tenant() -> Tenant:
    """An organisation that no other test knows."""
    return Tenant(parse_org_slug(f"docs_{uuid.uuid4().hex[:12]}"), PROJECT, "organizations")


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
async def knowledge(cloud: Cloud) -> AsyncIterator[KnowledgeServices]:
    settings = load_settings()
    documents = Documents(settings.gcp_project_id)
    yield KnowledgeServices(settings, documents, utc_now)
    await documents.close()
