"""The paths of Firestore documents: under their organisation, so that an id alone reaches nothing."""

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
    """The path of a conversation's document."""
    return f"{conversations_path(tenant)}/{conversation_id}"


def messages_path(tenant: Tenant, conversation_id: str) -> str:
    """The collection of a conversation's messages."""
    return f"{conversation_path(tenant, conversation_id)}/messages"


def message_path(tenant: Tenant, conversation_id: str, message_id: str) -> str:
    """The path of a message's document."""
    return f"{messages_path(tenant, conversation_id)}/{message_id}"


def pendings_path(tenant: Tenant, conversation_id: str) -> str:
    """The collection of what a conversation's turns may go on from."""
    return f"{conversation_path(tenant, conversation_id)}/pending"


def pending_path(tenant: Tenant, conversation_id: str) -> str:
    """The path of a conversation's paused turn."""
    return f"{pendings_path(tenant, conversation_id)}/turn"


def steps_path(tenant: Tenant, conversation_id: str, answer_id: str) -> str:
    """The path of the finished steps of an answer that is not whole yet."""
    return f"{pendings_path(tenant, conversation_id)}/{answer_id}"


def confirmation_path(tenant: Tenant, confirmation_id: str) -> str:
    """The path of a change that waits for a yes outside any conversation; it expires as a paused turn does."""
    return f"orgs/{tenant.org_slug}/pending/{confirmation_id}"


def listed_path(tenant: Tenant, caller: str) -> str:
    """The path of the note on the part of a caller's list that Firestore holds."""
    return f"orgs/{tenant.org_slug}/listed/{hashlib.sha256(caller.encode()).hexdigest()}"


def cached_answer_path(tenant: Tenant, digest: str) -> str:
    """The path of an answer that is given again to the very same question, until it expires."""
    return f"orgs/{tenant.org_slug}/answers/{digest}"


def record_start_path(tenant: Tenant) -> str:
    """The path of the note on when the organisation's record begins."""
    return f"orgs/{tenant.org_slug}/record/start"


def purge_path(tenant: Tenant, conversation_id: str) -> str:
    """The path of the note that a conversation is to be purged."""
    return f"{PURGES}/{tenant.org_slug}:{conversation_id}"
