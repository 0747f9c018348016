"""The paths of documents and passages: the tenant is the path, not a filter that can be forgotten."""

from common.tenant import Tenant

DUE = "knowledge_due"


def documents_path(tenant: Tenant) -> str:
    """The collection of an organisation's documents."""
    return f"orgs/{tenant.org_slug}/documents"


def document_path(tenant: Tenant, document_id: str) -> str:
    """The path of a document's record."""
    return f"{documents_path(tenant)}/{document_id}"


def chunks_path(tenant: Tenant) -> str:
    """The collection of the passages of an organisation's documents."""
    return f"orgs/{tenant.org_slug}/chunks"


def spaces_path(tenant: Tenant) -> str:
    """The path of the note on the embedding spaces that the organisation's documents are in."""
    return f"orgs/{tenant.org_slug}/knowledge/spaces"


def due_path(tenant: Tenant, document_id: str) -> str:
    """The path of the note that something is still to be done with a document."""
    return f"{DUE}/{tenant.org_slug}:{document_id}"
