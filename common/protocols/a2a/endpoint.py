"""A2A: a message in, a message or a task out, by the names of 1.0 and 0.3. The context is the conversation."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, NoReturn

from a2a.helpers import get_data_parts, get_text_parts, new_text_part
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types import (
    AgentCard,
    Artifact,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    SendMessageRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from common.agents.events import Event, ToolFinished, TurnFailed, TurnFinished
from common.conversations.cancelling import Cancel, withdrawn_id
from common.conversations.paused_turn import pending_of
from common.errors import ConversationNotFound, NothingToCancel, ServiceError
from common.identity.authenticate import Credentials
from common.protocols.a2a.card import base_url, card_message
from common.protocols.a2a.tasks import (
    ANSWER,
    TaskEncoder,
    Update,
    answer_message,
    bare_task,
    described,
    finished_status,
    read_task_id,
    stored_task,
    task_id,
)
from common.protocols.json_rpc import envelope, refusal, replayed, reworded
from common.protocols.question import answered, as_id, gone, question
from common.skills.offers import CallerOffer
from common.transcript.message import message_of
from common.transcript.paths import message_path, pending_path
from common.turn import SendRequest, Turn, TurnServices, open_turn
from common.turn.admission import Disconnect
from common.turn.approvals import still_waiting
from common.turn.client_features import ClientFeatures
from common.web.disconnect import wait_for_disconnect
from common.web.endpoint import Call

CONTEXT_ID = "contextId"


def _fields(message: type[Message] | type[SendMessageRequest]) -> dict[str, None]:
    fields = message.DESCRIPTOR.fields
    return {**dict.fromkeys(each.name for each in fields), **dict.fromkeys(each.json_name for each in fields)}


_SHAPE = envelope({**_fields(SendMessageRequest), "message": _fields(Message)})


async def offer_of(services: TurnServices, credentials: Credentials) -> CallerOffer:
    """Return the agents and tools that a caller is offered. Raises Unauthenticated, or one of the Forbidden family."""
    principal, entry = await services.authenticator.authenticate(credentials)
    return services.offers.of(entry.access, principal.role)


async def offer_for_card(services: TurnServices, call: Call) -> CallerOffer | None:
    """Return the offer of a caller who is proven. Returns None for others: the product's own card is for everybody."""
    try:
        return await offer_of(services, call.credentials)
    except ServiceError as error:
        if error.status >= 500:
            raise
        return None


async def answer(services: TurnServices, credentials: Credentials, request: Request, body: bytes) -> Response:
    """Answer one JSON-RPC request of a caller who is known."""
    # The SDK logs what it cannot read with whatever the client sent.
    logging.getLogger("a2a").setLevel(logging.CRITICAL + 1)
    refused = refusal(body, _SHAPE, 200)
    if refused is not None:
        return refused
    dispatcher = JsonRpcDispatcher(_Handler(services, credentials, request), enable_v0_3_compat=True)
    answered = await dispatcher.handle_requests(Request(request.scope, replayed(body, request.receive)))
    return reworded(answered) if isinstance(answered, JSONResponse) else answered


class _Handler(RequestHandler):
    """The methods of A2A for one caller. A task is an answer: it is at work while a request is, or waits for a yes."""

    def __init__(self, services: TurnServices, credentials: Credentials, request: Request) -> None:
        self._services = services
        self._claim = credentials
        self._disconnect: Disconnect = partial(wait_for_disconnect, request)
        self._url = f"{base_url(request, services.settings.public_url)}{request.url.path}"

    async def on_message_send(self, params: SendMessageRequest, _: ServerCallContext) -> Message | Task:
        with self._translating():
            turn = await self._open(params.message)
            context_id, results = params.message.context_id, []
            async with aclosing(turn.batches()) as batches:
                async for event in _each(batches):
                    match event:
                        case ToolFinished(result=result) if "rows" in result:
                            results.append(result)
                        case TurnFailed(error=error):
                            try:
                                raise error
                            finally:
                                # The error holds this frame now: if that held the error, both would stay.
                                del error, event
                        case TurnFinished():
                            return _ended(event, context_id, results)
            raise ServiceError

    async def on_message_send_stream(
        self, params: SendMessageRequest, _: ServerCallContext
    ) -> AsyncGenerator[Update, None]:
        encoder = TaskEncoder(params.message.context_id)
        with self._translating():
            turn = await self._open(params.message)
            async with aclosing(turn.batches()) as batches:
                async for event in _each(batches):
                    if isinstance(event, TurnFailed) and not encoder.begun:
                        raise event.error
                    for update in encoder.updates(event):
                        yield update

    async def _open(self, message: Message) -> Turn:
        features, conversation_id = ClientFeatures(own_ids=True), message.context_id or None
        if message.task_id:
            named = read_task_id(message.task_id)
            if named is None:
                raise TaskNotFoundError
            conversation_id, features = named[0], ClientFeatures(replies_to=named[1])
        request = _asked(message, conversation_id)
        try:
            return await open_turn(self._services, self._claim, request, features, self._disconnect, "a2a")
        except ConversationNotFound:
            if message.task_id:
                raise TaskNotFoundError from None
            raise

    async def on_get_task(self, params: GetTaskRequest, _: ServerCallContext) -> Task:
        with self._translating():
            return await self._task(params.id)

    async def _task(self, its_id: str) -> Task:
        """Read a task from the answer that it is. Raises TaskNotFoundError, also for somebody else's."""
        named = read_task_id(its_id)
        if named is None:
            raise TaskNotFoundError
        conversation_id, answer_id = named
        withdrawal = withdrawn_id(conversation_id, answer_id)
        try:
            found = await self._services.lookup.find(
                self._claim, conversation_id, ("messages", answer_id), ("messages", withdrawal), ("pending", "turn")
            )
        except ConversationNotFound:
            raise TaskNotFoundError from None
        tenant, conversation = found.principal.tenant, found.conversation
        document = found.documents.get(message_path(tenant, conversation_id, answer_id))
        stored = message_of(document) if document else None
        stored = stored or await self._services.record.message(tenant, conversation, answer_id)
        if stored is None or stored.role != "assistant":
            lease = conversation.lease
            if lease is not None and lease.holds and lease.answer_id == answer_id:
                return bare_task(conversation_id, its_id, TaskState.TASK_STATE_WORKING)
            raise TaskNotFoundError
        pending = found.documents.get(pending_path(tenant, conversation_id))
        waiting = still_waiting(stored, conversation, pending_of(pending) if pending else None, self._services.clock())
        withdrawn = found.documents.get(message_path(tenant, conversation_id, withdrawal)) is not None
        if document is None and stored.finish in ("approval", "question"):
            withdrawn = await self._services.record.message(tenant, conversation, withdrawal) is not None
        return stored_task(conversation_id, its_id, stored, waiting, withdrawn=withdrawn)

    async def on_cancel_task(self, params: CancelTaskRequest, _: ServerCallContext) -> Task:
        with self._translating():
            named = read_task_id(params.id)
            if named is None:
                raise TaskNotFoundError
            conversation_id, answer_id = named
            try:
                await self._cancel(conversation_id, answer_id)
            except ConversationNotFound:
                raise TaskNotFoundError from None
            except NothingToCancel as error:
                await self._task(params.id)
                raise TaskNotCancelableError(error.detail) from None
            return await self._task(params.id)

    async def _cancel(self, conversation_id: str, answer_id: str) -> None:
        """Stop the answer, or withdraw the changes that wait behind it. Raises NothingToCancel."""
        cancellations = self._services.cancellations
        try:
            await cancellations.cancel(self._claim, conversation_id, Cancel(message_id=answer_id))
        except NothingToCancel:
            await cancellations.withdraw(self._claim, conversation_id, answer_id, self._services.clock())

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Raise what goes wrong as an error of A2A."""
        try:
            yield
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

    async def on_get_extended_agent_card(self, *_: Any) -> AgentCard:
        with self._translating():
            offer = await offer_of(self._services, self._claim)
        return card_message(self._url, self._services.settings.service_version, offer)


async def _each(batches: AsyncIterator[list[Event]]) -> AsyncIterator[Event]:
    async for batch in batches:
        for event in batch:
            yield event


def _ended(finished: TurnFinished, context_id: str, results: list[dict[str, Any]]) -> Message | Task:
    """The answer as a message, or as a task where it waits for the person or was cancelled."""
    if not finished.approvals and finished.question is None and finished.finish != "cancelled":
        return answer_message(finished, context_id, results)
    its_id = task_id(finished.conversation_id, finished.message_id)
    context_id = context_id or finished.conversation_id
    artifact = Artifact(artifact_id=ANSWER, name=ANSWER, parts=[new_text_part(finished.text)])
    status = finished_status(finished, context_id, its_id)
    task = Task(id=its_id, context_id=context_id, status=status, artifacts=[artifact])
    task.metadata.update(described(finished))
    return task


def _asked(message: Message, conversation_id: str | None) -> SendRequest:
    """The request of a message: a question, a yes or an answer in its text, or one in a data part.

    Raises Unprocessable.
    """
    message_id = as_id(message.message_id) if message.message_id else None
    for data in get_data_parts(message.parts):
        for name in ("approvals", "answer"):
            if isinstance(data, dict) and name in data:
                return answered({name: data[name]}, CONTEXT_ID, conversation_id, message_id)
    texts = get_text_parts(message.parts)
    if not texts:
        raise ContentTypeNotSupportedError("Send the question as a text part.")
    return question("\n".join(texts), CONTEXT_ID, conversation_id, message_id)


def _translated(error: ServiceError) -> A2AError:
    kind = InvalidParamsError if 400 <= error.status < 500 else InternalError
    data = {"code": error.code}
    if error.retry_after is not None:
        data["retry_after"] = str(error.retry_after)
    return kind(error.detail, data)
