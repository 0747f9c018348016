"""The answers to the AI SDK's chat transport: a message as it is written, and the word on one to be resumed."""

from starlette.responses import Response

from common.errors import ConversationNotFound
from common.identity.authenticate import Credentials
from common.protocols.question import gone
from common.protocols.streaming import frames_of
from common.protocols.ui_message.encoder import HEADER, MessageEncoder
from common.protocols.ui_message.input import CHAT_ID, UIMessageRequest, turn_request
from common.turn import TurnServices, open_turn
from common.turn.admission import Disconnect
from common.web.sse import EventStream

__all__ = ["UIMessageRequest", "answer"]


async def answer(
    services: TurnServices, credentials: Credentials, asked: UIMessageRequest, disconnect: Disconnect
) -> Response:
    """Answer with the stream. Raises a ServiceError before its first part, or ClientDisconnect while it waits."""
    request, features = turn_request(asked)
    try:
        turn = await open_turn(services, credentials, request, features, disconnect, "ui_message_stream")
    except ConversationNotFound:
        raise gone(CHAT_ID) from None
    stream = EventStream(turn, frames_of(turn, MessageEncoder(continues=asked.continues), services.log))
    stream.headers.update(HEADER)
    return stream
