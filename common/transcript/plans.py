"""A plan in an answer: read from the result of the tool that plans, which the message keeps."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from common.transcript.message import Message

ResponseType = Literal["clarification", "deployment_plan", "error"]
# The tool that plans, and the code by which it says that something has to be asked first.
PLANNING = "plan_deployment"
NEEDS_CLARIFICATION = "needs_clarification"


def planned(message: Message) -> tuple[ResponseType | None, dict[str, Any] | None]:
    """The kind of answer, and the plan where it has one; None for an answer in which nothing was planned.

    The last call of the tool counts. A plan is its summary, with the machines among it.
    """
    results = _results(message)
    if not results:
        return None, None
    result = results[-1]
    if "error" in result:
        return "clarification" if result["error"].get("code") == NEEDS_CLARIFICATION else "error", None
    plan = _plan(result)
    return (None, None) if plan is None else ("deployment_plan", plan)


def plans_in(message: Message) -> Iterator[dict[str, Any]]:
    """Yield every plan that an answer has given, the last first."""
    yield from (plan for result in reversed(_results(message)) if (plan := _plan(result)) is not None)


def plan_fields(message: Message) -> dict[str, Any]:
    """The fields that a planned answer has beside the others; none for any other answer."""
    kind, plan = planned(message)
    return {} if kind is None else {"response_type": kind, "deployment_plan": plan}


def _results(message: Message) -> list[dict[str, Any]]:
    """The results of the calls that planned, as far as the message has kept them, in their order."""
    if not message.tool_calls_json or PLANNING not in message.tool_calls_json:
        return []
    calls = [call["id"] for call in json.loads(message.tool_calls_json) if call["name"] == PLANNING]
    results = {entry["id"]: entry["result"] for entry in json.loads(message.tool_results_json or "[]")}
    return [results[call] for call in calls if call in results]


def _plan(result: dict[str, Any]) -> dict[str, Any] | None:
    """The plan of a result. Returns None if it has none: it was refused, or cut to fit."""
    plan = (result.get("summary") or {}).get("plan")
    return {**plan, "instances": result["rows"]} if isinstance(plan, dict) else None
