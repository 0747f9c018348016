"""The briefing of a turn: what its loop answers from, and the tools that it may call."""

from functools import partial

from common.agents.context import system_context
from common.agents.loop import Briefing
from common.limits import CHARS_PER_TOKEN
from common.organizations.serving import calls_tools
from common.secret import Secret
from common.skills.offers import CallerOffer
from common.tools.context import ToolContext
from common.tools.registry import BoundTools, Registry
from common.transcript.call_records import as_asked
from common.transcript.summary import most_shown
from common.transcript.window import for_model, recalled
from common.turn.prepared import PreparedTurn, TurnServices

PROMPT_TOKENS = 6_000


def briefing_for(services: TurnServices, prepared: PreparedTurn, key: Secret, *, marks_steps: bool) -> Briefing:
    """Brief the loop on a turn, and on the steps that an earlier attempt at it has finished."""
    settings = prepared.settings
    offer = offer_of(services, prepared)
    can_call = calls_tools(prepared.model, settings.calls_tools)
    note = recalled(prepared.history, max_messages=prepared.remembered) if can_call else ""
    profile = prepared.organization.profile if settings.include_org_context else None
    return Briefing(
        roster=offer.roster,
        agent_name=prepared.conversation.last_agent,
        history=for_model(
            prepared.history,
            max_messages=prepared.remembered if prepared.features.said_before else most_shown(prepared.remembered),
            context_window=prepared.model.context_window,
            reserved=min(settings.max_tokens, prepared.model.max_output)
            + PROMPT_TOKENS
            + len(prepared.summary) // CHARS_PER_TOKEN,
        ),
        question=as_asked(note, prepared.asked),
        context=system_context(
            prepared.now.date(), profile, settings.system_prompt_extra, prepared.features.context, prepared.summary
        ),
        note=prepared.features.note,
        model=prepared.model,
        key=key,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        tools_for=partial(_tools_for, services, prepared, offer.registry),
        client_tools=prepared.features.tools,
        continuation=prepared.goes_on_from,
        checkpoint=prepared.steps.checkpoint if prepared.steps else None,
        marks_steps=marks_steps,
        calls_tools=can_call,
        offered=prepared.offered,
    )


def offer_of(services: TurnServices, prepared: PreparedTurn) -> CallerOffer:
    """Return the agents and tools that the turn's caller is offered."""
    return services.offers.of(prepared.organization.access, prepared.principal.role)


def _tools_for(
    services: TurnServices, prepared: PreparedTurn, registry: Registry, names: tuple[str, ...]
) -> BoundTools:
    conversation_id = prepared.conversation.conversation_id
    labels = {"org": prepared.principal.org_slug, "conversation": conversation_id}
    key = prepared.pending.idempotency_key if prepared.pending else prepared.answer_id
    calendar = prepared.organization.profile.calendar
    call = ToolContext(
        labels, prepared.now, idempotency_key=key, calendar=calendar, offered=prepared.offered,
        conversation_id=conversation_id,
    )  # fmt: skip
    return registry.bind(prepared.principal, call, names, services.tool_resources)
