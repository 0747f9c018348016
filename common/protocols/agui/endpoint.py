"""The answers to an AG-UI client: a run as it happens, and the calls that CopilotKit wraps around runs."""

from dataclasses import replace
from typing import Any

from ag_ui.core import RunAgentInput
from starlette.responses import JSONResponse, Response

from common.agents.consulting import CONSULT
from common.agents.roster import TRANSFER
from common.conversations.cancelling import Cancel
from common.errors import ConversationNotFound, NothingToCancel
from common.identity.authenticate import Credentials
from common.protocols.agui import client_features
from common.protocols.agui import input as agui_input
from common.protocols.agui.encoder import RunEncoder
from common.protocols.agui.input import AguiRequest
from common.protocols.question import gone
from common.protocols.streaming import frames_of
from common.tenant import READ_CHAT
from common.transcript.conversation import Conversation
from common.turn import TurnServices, open_turn
from common.turn.admission import Disconnect
from common.web.sse import EventStream

# The client checks which runtime it talks to; this one's answers are those of that version.
_RUNTIME_VERSION = "1.75.0"
_INFO: dict[str, Any] = {
    "version": _RUNTIME_VERSION,
    "agents": {
        agui_input.AGENT_ID: {
            "name": agui_input.AGENT_ID,
            "description": "Answers questions about an organisation's cloud, GenAI and SaaS costs.",
            "className": "HttpAgent",
        }
    },
    "audioFileTranscriptionEnabled": False,
    "mode": "sse",
}


async def answer(
    services: TurnServices, credentials: Credentials, asked: AguiRequest, disconnect: Disconnect
) -> Response:
    """Answer one request. Raises a ServiceError before the first event, or ClientDisconnect while it waits."""
    if asked.method == "agent/stop":
        return JSONResponse(await _stop(services, credentials, *asked.stops))
    if asked.run is None:
        await services.authenticator.authenticate(credentials)
        return JSONResponse(_INFO)
    if asked.method == "agent/connect":
        return await _connect(services, credentials, asked.run)
    return await _run(services, credentials, asked.run, asked.left_out, disconnect)


async def _run(
    services: TurnServices, credentials: Credentials, run: RunAgentInput, left_out: str, disconnect: Disconnect
) -> Response:
    taken = {TRANSFER, CONSULT, *(each.name for each in services.registry.tools)}
    try:
        request, features = agui_input.turn_request(run, left_out), client_features.offers(run, taken, left_out)
        turn = await open_turn(services, credentials, request, features, disconnect, "copilotkit")
    except ConversationNotFound:
        raise gone(agui_input.THREAD_ID) from None
    interrupts = client_features.shows_interrupts(run)
    encoder = RunEncoder(run.thread_id, run.run_id, interrupts=interrupts, resumes=bool(run.resume))
    return EventStream(turn, frames_of(turn, encoder, services.log))


async def _stop(
    services: TurnServices, credentials: Credentials, thread_id: str, message_id: str | None
) -> dict[str, Any]:
    """Stop the run of a thread, whose stream then ends. A foreign thread looks like one without a run."""
    try:
        await services.cancellations.cancel(credentials, thread_id, Cancel(message_id=message_id))
    except (ConversationNotFound, NothingToCancel) as error:
        return {"stopped": False, "message": error.detail}
    return {"stopped": True}


async def _connect(services: TurnServices, credentials: Credentials, run: RunAgentInput) -> Response:
    """Answer with the messages of a thread. A foreign thread looks like a new one: empty."""
    reading = replace(credentials, needs=READ_CHAT)
    encoder = RunEncoder(run.thread_id, run.run_id)
    conversation: Conversation | None
    try:
        conversation = (await services.lookup.find(reading, run.thread_id)).conversation
        if not conversation.window_held:
            conversation = await services.record.with_window(services.authenticator.tenant(credentials), conversation)
    except ConversationNotFound:
        conversation = None
    return Response(encoder.begin() + encoder.restored(conversation), media_type="text/event-stream")
