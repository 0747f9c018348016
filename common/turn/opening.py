"""From a request to a turn under way: load, authorise, check, open the key."""

from contextlib import AsyncExitStack

from common.access.authenticate import Claim
from common.access.directory import Entry, hash_api_key
from common.agents.events import AgentChanged, TextDelta, TurnFinished, TurnStarted
from common.errors import ConversationBusy, ConversationNotFound, KeyInvalid, SetupRequired
from common.models import catalog
from common.models.completion import Usage
from common.sessions import records
from common.sessions.records import Conversation, Message
from common.sessions.store import conversation_path, message_path
from common.tenant import Principal, Tenant
from common.turn.request import SendRequest
from common.turn.running import Parts, Run, Setup
from common.turn.turn import Turn


async def open_turn(parts: Parts, claim: Claim, request: SendRequest) -> Turn:
    """Load, authorise and open the key, then start the turn. Raises a ServiceError while nothing is stored or said."""
    tenant = parts.authenticator.tenant(claim)
    paths = _paths(tenant, claim, request)
    principal, entry = await parts.authenticator.authenticate(claim, tuple(paths.values()))
    if request.conversation_id is not None and not request.names_a_conversation:
        raise ConversationNotFound
    turn = Turn()
    answer = entry.documents.get(paths.get("answer", ""))
    if answer is not None:
        _owned(principal, entry, paths)
        _replay(turn, records.message_of(answer), paths["conversation"].rsplit("/", 1)[1])
        return turn
    setup = _set_up(parts, principal, entry, paths, request)
    credential = setup.organization.credential
    assert credential is not None
    stack = AsyncExitStack()
    key = await stack.enter_async_context(
        parts.provider_keys.opened(tenant, credential.credential_id, credential.ciphertext)
    )
    turn.start(Run(parts, setup, turn.emit).run(key, stack))
    return turn


def _paths(tenant: Tenant, claim: Claim, request: SendRequest) -> dict[str, str]:
    """What a turn reads beside key and organisation: the conversation, and the messages of a client's message id."""
    conversation_id = request.conversation_id if request.names_a_conversation else None
    if conversation_id is None and request.message_id is not None:
        caller = f"{hash_api_key(claim.api_key or '')}/{claim.user_id or ''}"
        conversation_id = records.conversation_id_for(tenant, caller, request.message_id)
    if conversation_id is None:
        return {}
    paths = {"conversation": conversation_path(tenant, conversation_id)}
    if request.message_id is not None:
        answer_id = records.answer_id_for(conversation_id, request.message_id)
        paths["question"] = message_path(tenant, conversation_id, request.message_id)
        paths["answer"] = message_path(tenant, conversation_id, answer_id)
    return paths


def _owned(principal: Principal, entry: Entry, paths: dict[str, str]) -> Conversation | None:
    """The conversation, if it is there and the caller's own. Raises ConversationNotFound when it is another's."""
    document = entry.documents.get(paths.get("conversation", ""))
    if document is None:
        return None
    conversation = records.conversation_of(document)
    if conversation.user_id != principal.user_id or conversation.status != "active":
        raise ConversationNotFound
    return conversation


def _set_up(parts: Parts, principal: Principal, entry: Entry, paths: dict[str, str], request: SendRequest) -> Setup:
    """Check what the turn needs, without I/O. Raises SetupRequired, KeyInvalid, ConversationNotFound or -Busy."""
    now = parts.clock()
    conversation = _owned(principal, entry, paths)
    if conversation is None and request.conversation_id is not None:
        raise ConversationNotFound
    organization = entry.organization
    if organization is None or organization.settings is None or organization.credential is None:
        raise SetupRequired
    settings = organization.settings
    model = catalog.resolve(settings.provider, settings.model_id, deployed=parts.settings.environment.is_deployed)
    if not organization.credential.serves(settings.provider, now):
        raise KeyInvalid
    if conversation is not None and conversation.lease is not None and conversation.lease.expires_at > now:
        raise ConversationBusy(retry_after=max(1, round((conversation.lease.expires_at - now).total_seconds())))
    question_id = request.message_id or records.new_id()
    resumed = entry.documents.get(paths.get("question", "")) is not None
    if conversation is None:
        conversation = Conversation(
            conversation_id=paths["conversation"].rsplit("/", 1)[1] if paths else records.new_id(),
            user_id=principal.user_id,
            title=records.title_of(request.message),
            provider=model.provider,
            model_id=model.model_id,
            created_at=now,
            last_message_at=now,
        )
    return Setup(
        principal=principal,
        organization=organization,
        settings=settings,
        model=model,
        conversation=conversation,
        question=Message(question_id, "user", request.message, now, sequence=conversation.message_count - resumed),
        answer_id=records.answer_id_for(conversation.conversation_id, question_id),
        resumed=resumed,
    )


def _replay(turn: Turn, answer: Message, conversation_id: str) -> None:
    """Say a stored answer again; the model is not asked."""
    usage = Usage(answer.input_tokens or 0, answer.output_tokens or 0)
    model_id = answer.model_id or ""
    provider = answer.provider or ""
    agent_name = answer.agent_name or ""
    turn.emit(TurnStarted(conversation_id, answer.message_id, provider, model_id))
    turn.emit(AgentChanged(agent_name))
    turn.emit(TextDelta(answer.content))
    turn.emit(
        TurnFinished(
            conversation_id=conversation_id,
            message_id=answer.message_id,
            agent_name=agent_name,
            provider=provider,
            model_id=model_id,
            text=answer.content,
            usage=usage,
            latency_ms=answer.latency_ms or 0,
        )
    )
