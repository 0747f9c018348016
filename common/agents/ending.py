"""The end of a turn's answer: asked for once more after a silent stop, and named for what it is."""

from dataclasses import dataclass

from common.agents.events import Finish
from common.models.call import FinishReason, Reply

# A model that thought until its output limit is asked once more with so many times the limit.
MODEL_ROOM_FOR_THOUGHTS = 4

# Asked of a model that stopped without a word; it stands after all that there is to answer from.
ASK_FOR_ANSWER = "Your last message was empty. Answer the question now, from what is above, without calling tools."
_FINISHES: dict[FinishReason, Finish] = {"length": "length", "refused": "refused"}
_NO_ANSWER = (
    "The model stopped without an answer, and when it was asked once more it gave none either. Send the question "
    "again, or choose another model in the chat settings."
)
_NO_ANSWER_AT_LIMIT = (
    "The model stopped without an answer: it used up its output limit before the first word. Raise max_tokens in the "
    "chat settings, or choose a model that thinks less."
)
_NO_ANSWER_OUT_OF_STEPS = (
    "The model stopped without an answer: it called tools until the steps of one turn were used up. Send the question "
    "again, or choose another model in the chat settings."
)


@dataclass(slots=True)
class Ending:
    """The end of a turn as far as it is known. The model may now write ``room`` times its output limit."""

    finish: Finish = "stop"
    must_answer: bool = False
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

    def close(self, reply: Reply) -> str:
        """Note how the last reply ended. Returns the sentence that stands for an answer that never came."""
        if reply.text.strip():
            self.finish = _FINISHES.get(reply.finish_reason, "stop")
            return ""
        self.finish = "length" if reply.finish_reason == "length" else "no_answer"
        if reply.tool_calls and not self.must_answer:
            return _NO_ANSWER_OUT_OF_STEPS
        return _NO_ANSWER_AT_LIMIT if self.finish == "length" else _NO_ANSWER
