"""The features of an AG-UI client: its own tools, approvals, and replies to a paused run."""

import json
import re
from collections.abc import Collection
from typing import Any

from ag_ui.core import ResumeEntry, RunAgentInput, Tool, ToolMessage, UserMessage

from common import limits
from common.agents.pausing import ClientTool
from common.errors import Unprocessable
from common.protocols.agui.input import text_of
from common.turn.client_features import ClientFeatures, ClientReply, Decision

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


def offers(run: RunAgentInput, taken: Collection[str], left_out: str = "") -> ClientFeatures:
    """Read them from the run; ``taken`` are the names of our own tools. Raises Unprocessable.

    ``left_out`` names what of the question cannot be read, which the answer says first.
    """
    return ClientFeatures(
        own_ids=True,
        tools=_tools(run, taken),
        reply=_reply(run),
        context=tuple((each.description, each.value) for each in run.context or ()),
        note=f"I read text only, so this was left out: {left_out}." if left_out else "",
    )


def _tools(run: RunAgentInput, taken: Collection[str]) -> tuple[ClientTool, ...]:
    tools = run.tools or []
    names = [each.name for each in tools]
    if len(tools) > limits.MAX_CLIENT_TOOLS or len(set(names)) < len(names):
        raise Unprocessable(f"Offer at most {limits.MAX_CLIENT_TOOLS} tools, each name once.")
    return tuple(_tool(each, taken) for each in tools)


def _tool(offered: Tool, taken: Collection[str]) -> ClientTool:
    if _NAME.fullmatch(offered.name) is None or offered.name in taken:
        raise Unprocessable(f"The tool name {offered.name[:64]!r} is not allowed or is taken.")
    parameters = offered.parameters or _NO_ARGUMENTS
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise Unprocessable(f"The parameters of the tool {offered.name} are not the JSON schema of an object.")
    if len(offered.description) + len(json.dumps(parameters)) > limits.CLIENT_TOOL_CHARS:
        raise Unprocessable(f"The tool {offered.name} is described in too many characters.")
    return ClientTool(offered.name, offered.description, {**_NO_ARGUMENTS, **parameters})


def shows_interrupts(run: RunAgentInput) -> bool:
    """Return true if the client is asked for approval by an interrupt: it says so, or its version has them."""
    forwarded = run.forwarded_props if isinstance(run.forwarded_props, dict) else {}
    said = forwarded.get("interrupts")
    return said if isinstance(said, bool) else run.protocol_version is not None


def _reply(run: RunAgentInput) -> ClientReply | None:
    """The run's reply to a paused run. Returns None for a run that asks a question."""
    results: dict[str, str] = {}
    for message in reversed(run.messages):
        if isinstance(message, UserMessage):
            break
        if isinstance(message, ToolMessage):
            text = f"error: {message.error}" if message.error else text_of(message.content)
            results[message.tool_call_id] = text[: limits.CLIENT_RESULT_CHARS]
    answers_a_call = bool(run.messages) and isinstance(run.messages[-1], ToolMessage)
    if not run.resume and not answers_a_call:
        return None
    resumed = list(run.resume or ())
    answers = {each.interrupt_id: _answer(each) for each in resumed if _is_answer(each)}
    return ClientReply(
        results, {each.interrupt_id: _decision(each) for each in resumed if not _is_answer(each)}, answers
    )


def _is_answer(entry: ResumeEntry) -> bool:
    """Return true for the person's answer to a question, and not to a change."""
    return isinstance(entry.payload, dict) and "answer" in entry.payload


def _answer(entry: ResumeEntry) -> str | tuple[str, ...]:
    """The answer to a question: its choices, or words. Raises Unprocessable for an answer with anything else in it."""
    payload = entry.payload
    said = payload["answer"] if isinstance(payload, dict) and payload.keys() == {"answer"} else None
    texts = tuple(said) if isinstance(said, list) else (said,)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise Unprocessable("Resume with a payload that has answer, a text or the choices, and nothing else.")
    if sum(map(len, texts)) > limits.MAX_MESSAGE_CHARS:
        raise Unprocessable(f"answer: at most {limits.MAX_MESSAGE_CHARS} characters.")
    if entry.status != "resolved":
        return ""
    return texts if isinstance(said, list) else texts[0]


def _decision(answer: ResumeEntry) -> Decision:
    """Only a plain yes is one. Raises Unprocessable for an answer with anything else in it."""
    payload = answer.payload if isinstance(answer.payload, dict) else {"approved": answer.payload}
    arguments = payload.get("arguments")
    if payload.keys() - {"approved", "arguments"} or not isinstance(arguments, dict | None):
        raise Unprocessable("Resume with a payload that has approved, true or false, and nothing else.")
    return Decision(answer.status == "resolved" and payload.get("approved") is True, arguments)
