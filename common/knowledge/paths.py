"""The paths of documents and passages: the tenant is the path, not a filter that can be forgotten."""

import re

from common.tenant import OrgSlug, Tenant, parse_org_slug

KNOWLEDGE_DUE = "knowledge_due"
KNOWLEDGE_CHECKS = "knowledge_checks"


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
    return f"{KNOWLEDGE_DUE}/{tenant.org_slug}:{document_id}"


def check_path(tenant: Tenant) -> str:
    """The path of the note on when the spaces of the organisation's documents were last compared with its wish."""
    return f"{KNOWLEDGE_CHECKS}/{tenant.org_slug}"


def files_prefix(tenant: Tenant) -> str:
    """The beginning of the paths of an organisation's files, of which no other organisation's is the beginning."""
    return f"orgs/{tenant.org_slug}/documents/"


def file_path(tenant: Tenant, document_id: str) -> str:
    """The path of a document's file in the bucket."""
    return f"{files_prefix(tenant)}{document_id}"


def document_of_file(path: str) -> tuple[OrgSlug, str] | None:
    """Return the organisation and the document of a file. Returns None for any other file."""
    match = _FILE.fullmatch(path)
    return (parse_org_slug(match[1]), match[2]) if match else None


_FILE = re.compile(r"orgs/([a-z0-9_]{3,50})/documents/([0-9a-f]{32})")
