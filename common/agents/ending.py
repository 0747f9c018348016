"""The end of a turn's answer: asked for once more after a silent stop, and named for what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.agents.events import Finish
from common.agents.exchange import called
from common.models.call import FinishReason, Message, Reply

# A model that thought until its output limit is asked once more with so many times the limit.
MODEL_ROOM_FOR_THOUGHTS = 4

# Asked of a model that stopped without a word; it stands after all that there is to answer from.
ASK_FOR_ANSWER = "Your last message was empty. Answer the question now, from what is above, without calling tools."
# Asked where a bound is reached; ``bound`` says which.
_NO_MORE_TOOLS = "so no further tool can be called"
_ASK_AT_BOUND = (
    f"Stop here: {{bound}}, {_NO_MORE_TOOLS}. Answer the question now, as far as the results above go. "
    "Say plainly at the end which parts of it are missing, and that they can be asked for by themselves."
)
_FINISHES: dict[FinishReason, Finish] = {"length": "length", "refused": "refused"}
_NO_ANSWER = (
    "The model stopped without an answer, and when it was asked once more it gave none either. Send the question "
    "again, or choose another model in the chat settings."
)
_NO_ANSWER_AT_LIMIT = (
    "The model stopped without an answer: it used up its output limit before the first word. Raise max_tokens in the "
    "chat settings, or choose a model that thinks less."
)
_NO_ANSWER_AT_BOUND = (
    "There is no answer: {bound}, and the model wrote none from what it had{found}. Ask for one part of the question "
    "at a time, or choose another model in the chat settings."
)
_FOUND = " (the calls of {names} are kept with this answer)"


@dataclass(slots=True)
class Ending:
    """The end of a turn as far as it is known. The model may now write ``room`` times its output limit.

    ``bound`` is the one that is reached, in words.
    """

    finish: Finish = "stop"
    must_answer: bool = False
    bound: str | None = None
    room: int = 1
    _repeated: bool = False

    def asks_again(self, reply: Reply, *, has_results: bool) -> bool:
        """Return true if the model is asked once more, since it stopped without a word.

        Where there are tool results, it is for the answer from them, without tools; before that, the same call again.
        """
        if reply.tool_calls or (reply.text.strip() and reply.finish_reason != "malformed"):
            return False
        if reply.finish_reason == "length":
            # Its thoughts used the output up; the answer needs room beside them.
            self.room = MODEL_ROOM_FOR_THOUGHTS
        asked_before = self.must_answer if has_results else self._repeated
        self.must_answer, self._repeated = has_results, True
        return not asked_before

    @property
    def request(self) -> str:
        """The request that stands behind the exchange of a last call; empty where the call is not the last one."""
        if self.bound is not None:
            return _ASK_AT_BOUND.format(bound=self.bound)
        return ASK_FOR_ANSWER if self.must_answer else ""

    def close(self, reply: Reply, exchange: Sequence[Message]) -> str:
        """Note how the last reply ended. Returns the sentence that stands for an answer that never came."""
        # Words beside a call that was not allowed any more announce an answer, and are none.
        if reply.text.strip() and not (reply.tool_calls and self.bound is not None):
            self.finish = _FINISHES.get(reply.finish_reason, "stop")
            return ""
        self.finish = "length" if reply.finish_reason == "length" else "no_answer"
        if self.bound is not None:
            names = ", ".join(called(exchange))
            return _NO_ANSWER_AT_BOUND.format(bound=self.bound, found=_FOUND.format(names=names) if names else "")
        return _NO_ANSWER_AT_LIMIT if self.finish == "length" else _NO_ANSWER


def asks_for_answer(message: Message) -> bool:
    """Return true for a message of the product's own, which asks for the answer to the question before it."""
    said = str(message.get("content"))
    return message.get("role") == "user" and (said == ASK_FOR_ANSWER or _NO_MORE_TOOLS in said)
