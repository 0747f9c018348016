"""The rights that each function's account needs, as terraform/locals.tf grants them; a test holds the two together."""

from dataclasses import dataclass
from typing import Literal

Key = Literal["encrypt", "decrypt", "view"]


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of an account: tables that it reads and writes, and its use of documents and of the key."""

    shared: bool = False
    tenants: bool = False
    catalog: bool = False
    writes: tuple[str, ...] = ()
    key: Key | None = None
    writes_documents: bool = True


_ALERTS = ("org_notification_rules", "org_alert_history")
_RECORD = (
    "org_chat_conversations",
    "org_chat_messages",
    "org_chat_tool_calls",
    "org_chat_feedback",
    "org_chat_usage",
    "org_alert_history",
)
_ANSWERING = Rights(shared=True, tenants=True, catalog=True, writes=_ALERTS, key="decrypt")

FUNCTIONS: dict[str, Rights] = {
    "send": _ANSWERING,
    "copilotkit": _ANSWERING,
    "completions": _ANSWERING,
    "a2a": _ANSWERING,
    "mcp": _ANSWERING,
    "settings_status": Rights(shared=True, writes=("org_chat_settings", "org_integration_credentials"), key="encrypt"),
    "access": Rights(shared=True, writes=("org_chat_access", "org_api_keys")),
    "conversations": Rights(shared=True),
    "messages": Rights(shared=True),
    "usage": Rights(shared=True, tenants=True),
    "knowledge": Rights(shared=True, key="decrypt"),
    "ingest": Rights(shared=True, key="decrypt"),
    "destinations": Rights(shared=True),
    "deliver": Rights(),
    "sync": Rights(writes=_RECORD),
    "alerts": Rights(shared=True, tenants=True, writes=("org_notification_rules",)),
    "health": Rights(catalog=True, key="view", writes_documents=False),
}
# What the commands of an operator do.
OPERATOR = Rights(
    shared=True,
    tenants=True,
    catalog=True,
    writes=(
        "org_profiles",
        "org_api_keys",
        "org_chat_settings",
        "org_chat_access",
        "org_integration_credentials",
        *_RECORD,
    ),
    key="encrypt",
)
