"""The ids of conversations and messages: random, or the same for a retry of the same message."""

import re
import uuid
from functools import lru_cache

from common import limits
from common.tenant import Tenant

# Firestore keeps names that begin and end with two underscores for itself.
_ID = re.compile(rf"(?!__.*__\Z)[A-Za-z0-9_-]{{1,{limits.MAX_ID_CHARS}}}")
ID_RULE = (
    f"use 1 to {limits.MAX_ID_CHARS} letters, digits, hyphens and underscores, and no two underscores at both ends"
)

# What clients make when they make a random id; nobody else has it by chance.
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_NAMESPACE = uuid.UUID("6f0d2a8e-0f6c-4a7b-9d55-0c2f4f2b7c11")


def new_id() -> str:
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Return true if the text could be an id of this product."""
    return _ID.fullmatch(text) is not None


def is_random(text: str) -> bool:
    """Return true if the text is an id that was made at random, not a name that several people may choose."""
    return _RANDOM.fullmatch(text) is not None


def conversation_id_for(tenant: Tenant, caller: str, message_id: str) -> str:
    """The conversation that a caller's first message opens: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant.org_slug}/{caller}/{message_id}"))


def own_conversation_id(tenant: Tenant, person: str, thread_id: str) -> str:
    """The id of the conversation that a person's client calls ``thread_id``; another person's is another one."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant.org_slug}/thread/{person}/{thread_id}"))


@lru_cache(1_000)
def answer_id_for(conversation_id: str, message_id: str) -> str:
    """The id of the answer to a message: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{conversation_id}/{message_id}"))
