"""Where the documents of sessions are: under their organisation, so that an id alone reaches nothing."""

import hashlib

from common.tenant import Tenant

OUTBOX = "outbox"
PURGES = "purges"
SYNC_LEASE = "sync/lease"
SYNCED_ORGS = "synced_orgs"


def conversations_path(tenant: Tenant) -> str:
    """The collection of an organisation's conversations."""
    return f"orgs/{tenant.org_slug}/conversations"


def conversation_path(tenant: Tenant, conversation_id: str) -> str:
    """Where a conversation's document is."""
    return f"{conversations_path(tenant)}/{conversation_id}"


def messages_path(tenant: Tenant, conversation_id: str) -> str:
    """The collection of a conversation's messages."""
    return f"{conversation_path(tenant, conversation_id)}/messages"


def message_path(tenant: Tenant, conversation_id: str, message_id: str) -> str:
    """Where a message's document is."""
    return f"{messages_path(tenant, conversation_id)}/{message_id}"


def pending_path(tenant: Tenant, conversation_id: str) -> str:
    """Where a conversation's turn is kept that waits for its client."""
    return f"{conversation_path(tenant, conversation_id)}/pending/turn"


def listed_path(tenant: Tenant, caller: str) -> str:
    """Where it is noted how much of a caller's list Firestore holds."""
    return f"orgs/{tenant.org_slug}/listed/{hashlib.sha256(caller.encode()).hexdigest()}"


def purge_path(tenant: Tenant, conversation_id: str) -> str:
    """Where it is noted that a conversation is to be purged."""
    return f"{PURGES}/{tenant.org_slug}:{conversation_id}"
