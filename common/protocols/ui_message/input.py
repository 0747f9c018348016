"""The request of the AI SDK's chat transport: a question, another wording of one, or an answer to an approval."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from common.bodies import Body
from common.errors import Unprocessable
from common.protocols.question import as_id, question
from common.transcript.ids import new_id
from common.turn import SendRequest
from common.turn.client_features import ClientFeatures, ClientReply, Decision

CHAT_ID = "id"

_TOO_LITTLE = "The last message is neither a question nor an answer to an approval."
_ONLY_TEXT = "Only text can be read here, no file and no picture. Send the question as text."


class _Approval(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    approved: bool | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    text: str = ""
    state: str | None = None
    approval: _Approval | None = None


class UIMessage(BaseModel):
    """One message as the page holds it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = ""
    role: Literal["system", "user", "assistant"]
    parts: tuple[_Part, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.type == "text")

    @property
    def answers(self) -> dict[str, bool]:
        """The decisions of the person, by the id of what waited for them."""
        return {
            part.approval.id: part.approval.approved is True
            for part in self.parts
            if part.state == "approval-responded" and part.approval is not None
        }


class UIMessageRequest(Body):
    """The body that ``DefaultChatTransport`` sends; ``message`` is for a page that sends its last message alone."""

    id: str = Field(min_length=1)
    messages: tuple[UIMessage, ...] = ()
    message: UIMessage | None = None
    trigger: str | None = None
    edited: str | None = Field(None, alias="messageId")

    @property
    def shown(self) -> tuple[UIMessage, ...]:
        """The messages that the page shows, the last one being the request."""
        return (*self.messages, self.message) if self.message is not None else self.messages

    @property
    def continues(self) -> bool:
        """True if the request adds to the page's last answer."""
        return bool(self.shown) and self.shown[-1].role == "assistant"


def turn_request(asked: UIMessageRequest) -> tuple[SendRequest, ClientFeatures]:
    """Read the question and what its client brings beside it. Raises Unprocessable."""
    if not asked.shown or asked.shown[-1].role == "system":
        raise Unprocessable(_TOO_LITTLE)
    last = asked.shown[-1]
    if asked.continues:
        return _continuation(asked, last)
    if any(part.type == "file" for part in last.parts):
        raise Unprocessable(_ONLY_TEXT)
    # Asked once more on purpose it is another message; sent once more by a lost connection it is the same one.
    message_id = new_id() if asked.trigger == "regenerate-message" else _own_id(asked.id, last)
    features = ClientFeatures(own_ids=True, shown=_shown(asked))
    return question(last.text, CHAT_ID, asked.id, message_id), features


def _continuation(asked: UIMessageRequest, last: UIMessage) -> tuple[SendRequest, ClientFeatures]:
    decided = last.answers
    if not decided:
        raise Unprocessable(_TOO_LITTLE)
    reply = ClientReply({}, {each: Decision(approved) for each, approved in decided.items()})
    message_id = as_id("/".join((asked.id, *sorted(decided))))
    return question("Go on.", CHAT_ID, asked.id, message_id), ClientFeatures(own_ids=True, reply=reply)


def _shown(asked: UIMessageRequest) -> frozenset[str] | None:
    """The ids of the messages before the question. Returns None for a page that does not say what it shows."""
    before = asked.shown[:-1]
    rewrites = asked.trigger == "regenerate-message" or asked.edited is not None
    if not before and not rewrites:
        return None
    return frozenset(each for message in before for each in (message.id, _own_id(asked.id, message)) if each)


def _own_id(chat_id: str, message: UIMessage) -> str:
    """The id under which a question is stored: another one for another wording, as an edit keeps the page's own."""
    wording = hashlib.sha256(message.text.encode(errors="replace")).hexdigest()
    return as_id(f"{chat_id}/{message.id}/{wording}") if message.id else new_id()
