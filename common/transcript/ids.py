"""The ids of conversations and messages: random, or the same for a retry of the same message."""

import re
import uuid

from common import limits
from common.tenant import Tenant

_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.MAX_ID_CHARS}}}")

_NAMESPACE = uuid.UUID("6f0d2a8e-0f6c-4a7b-9d55-0c2f4f2b7c11")


def new_id() -> str:
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Return true if the text could be an id of this product."""
    return _ID.fullmatch(text) is not None


def conversation_id_for(tenant: Tenant, caller: str, message_id: str) -> str:
    """The conversation that a caller's first message opens: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant.org_slug}/{caller}/{message_id}"))


def answer_id_for(conversation_id: str, message_id: str) -> str:
    """The id of the answer to a message: the same for a retry of the same message."""
    return str(uuid.uuid5(_NAMESPACE, f"{conversation_id}/{message_id}"))
