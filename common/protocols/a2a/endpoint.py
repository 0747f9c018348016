"""A2A: one message in, one message out, by the names of 1.0 and 0.3. The context is the conversation."""

import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, NoReturn

from a2a.helpers import get_text_parts, new_text_message
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types import Message, SendMessageRequest
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from common.agents.events import TurnFinished
from common.errors import ConversationNotFound, ServiceError
from common.identity.authenticate import Credentials
from common.protocols.json_rpc import envelope, refusal, replayed, reworded
from common.protocols.question import as_id, gone, question
from common.turn import TurnServices, open_turn
from common.turn.admission import Disconnect
from common.turn.client_features import ClientFeatures
from common.web.disconnect import wait_for_disconnect

CONTEXT_ID = "contextId"


def _fields(message: type[Message] | type[SendMessageRequest]) -> dict[str, None]:
    fields = message.DESCRIPTOR.fields
    return {**dict.fromkeys(each.name for each in fields), **dict.fromkeys(each.json_name for each in fields)}


_SHAPE = envelope({**_fields(SendMessageRequest), "message": _fields(Message)})


async def answer(services: TurnServices, credentials: Credentials, request: Request, body: bytes) -> Response:
    """Answer one JSON-RPC request of a caller who is known."""
    # The SDK logs what it cannot read with whatever the client sent.
    logging.getLogger("a2a").setLevel(logging.CRITICAL + 1)
    refused = refusal(body, _SHAPE, 200)
    if refused is not None:
        return refused
    dispatcher = JsonRpcDispatcher(
        _Handler(services, credentials, partial(wait_for_disconnect, request)), enable_v0_3_compat=True
    )
    answered = await dispatcher.handle_requests(Request(request.scope, replayed(body, request.receive)))
    return reworded(answered) if isinstance(answered, JSONResponse) else answered


class _Handler(RequestHandler):
    """The methods of A2A for one caller. There are no tasks: every message is answered at once."""

    def __init__(self, services: TurnServices, credentials: Credentials, disconnect: Disconnect) -> None:
        self._services = services
        self._claim = credentials
        self._disconnect = disconnect

    async def on_message_send(self, params: SendMessageRequest, _: ServerCallContext) -> Message:
        try:
            return _said(await self._answered(params.message), params.message.context_id)
        except A2AError:
            raise
        except ConversationNotFound:
            raise _translated(gone(CONTEXT_ID)) from None
        except ServiceError as error:
            if error.status >= 500:
                self._services.log.failure("request.failed", error)
            raise _translated(error) from None
        except ClientDisconnect:
            raise _translated(ServiceError()) from None
        except Exception as error:
            # The SDK would answer with the exception's text.
            self._services.log.error("a2a.crashed", error_class=type(error).__name__)
            raise _translated(ServiceError()) from None

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Message, None]:
        yield await self.on_message_send(params, context)

    async def _answered(self, message: Message) -> TurnFinished:
        if message.task_id:
            raise TaskNotFoundError("There are no tasks. Leave taskId out; contextId continues a conversation.")
        texts = get_text_parts(message.parts)
        if not texts:
            raise ContentTypeNotSupportedError("Send the question as a text part.")
        message_id = as_id(message.message_id) if message.message_id else None
        request = question("\n".join(texts), CONTEXT_ID, message.context_id or None, message_id)
        turn = await open_turn(self._services, self._claim, request, ClientFeatures(own_ids=True), self._disconnect)
        return await turn.finished()

    async def on_get_task(self, *_: Any) -> NoReturn:
        raise TaskNotFoundError

    async def on_cancel_task(self, *_: Any) -> NoReturn:
        raise TaskNotFoundError

    async def on_list_tasks(self, *_: Any) -> NoReturn:
        raise UnsupportedOperationError

    async def on_subscribe_to_task(self, *_: Any) -> AsyncGenerator[Message, None]:
        raise TaskNotFoundError
        yield

    async def on_create_task_push_notification_config(self, *_: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_get_task_push_notification_config(self, *_: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_list_task_push_notification_configs(self, *_: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_delete_task_push_notification_config(self, *_: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_get_extended_agent_card(self, *_: Any) -> NoReturn:
        raise UnsupportedOperationError


def _said(finished: TurnFinished, context_id: str) -> Message:
    """The answer in the context that the client named, or in the one that it now has."""
    message = new_text_message(finished.text, context_id=context_id or finished.conversation_id)
    message.message_id = finished.message_id
    message.metadata.update(
        {
            "agent_name": finished.agent_name,
            "provider": finished.provider,
            "model_id": finished.model_id,
            "fallback_from": finished.fallback_from,
            "latency_ms": finished.latency_ms,
            "finish": finished.finish,
            "usage": {
                "input_tokens": finished.usage.input_tokens,
                "output_tokens": finished.usage.output_tokens,
            },
        }
    )
    return message


def _translated(error: ServiceError) -> A2AError:
    kind = InvalidParamsError if 400 <= error.status < 500 else InternalError
    data = {"code": error.code}
    if error.retry_after is not None:
        data["retry_after"] = str(error.retry_after)
    return kind(error.detail, data)
