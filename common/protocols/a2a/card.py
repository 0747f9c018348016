"""The agent card: who answers, where, with which skills, and how to prove who asks. Readable as A2A 1.0 and 0.3."""

import re
from collections.abc import Mapping
from typing import Any

from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    APIKeySecurityScheme,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from starlette.requests import Request

from common.agents.roster import Agent
from common.skills.offers import CallerOffer
from common.tools.registry import Tool

PROTOCOL_VERSIONS = ("1.0", "0.3")
_HEADERS = {
    "X-API-Key": "An active API key of the organisation",
    "X-Org-Slug": "The organisation; may be left out where the address names it",
}
_DESCRIPTION = (
    "Answers questions about an organisation's cloud, GenAI and SaaS costs from its own FOCUS data. "
    "A message's contextId names the conversation it continues; a change waits for a yes (input-required). "
    "X-User-Id may name the person who asks."
)


def card(url: str, version: str, offer: CallerOffer) -> dict[str, Any]:
    """The card as JSON, for the endpoint at ``url``."""
    return agent_card_to_dict(card_message(url, version, offer))


def card_message(url: str, version: str, offer: CallerOffer) -> AgentCard:
    """The card as the SDK has it."""
    tools = {each.name: each for each in offer.registry.tools}
    return AgentCard(
        name="Cloud cost chat",
        description=_DESCRIPTION,
        version=version,
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=each) for each in PROTOCOL_VERSIONS
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=False, extended_agent_card=True),
        security_schemes={**{name: _header(name, text) for name, text in _HEADERS.items()}, "bearer": _bearer()},
        security_requirements=[
            SecurityRequirement(schemes={name: StringList() for name in names})
            for names in (_HEADERS, ("bearer", "X-Org-Slug"))
        ],
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain", "application/json"],
        skills=[_skill(agent, tools) for agent in offer.roster.specialists],
    )


def base_url(request: Request, public_url: str | None) -> str:
    """The address of this deployment for clients: from the settings, else from this request."""
    if public_url:
        return public_url.rstrip("/")
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip()
    scheme = forwarded if forwarded in ("http", "https") else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


def _header(name: str, description: str) -> SecurityScheme:
    return SecurityScheme(
        api_key_security_scheme=APIKeySecurityScheme(name=name, location="header", description=description)
    )


def _bearer() -> SecurityScheme:
    described = "A person's token, of an issuer that the organisation has registered"
    return SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme(scheme="bearer", description=described))


def _skill(agent: Agent, tools: Mapping[str, Tool]) -> AgentSkill:
    domains = sorted({tools[name].domain for name in agent.tools if name in tools})
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", agent.name)
    return AgentSkill(id=agent.name, name=name, description=agent.description.strip(), tags=domains or [agent.name])
