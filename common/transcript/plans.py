"""A plan in an answer: read from the result of the tool that plans, which the message keeps."""

import json
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
    if not message.tool_calls_json or PLANNING not in message.tool_calls_json:
        return None, None
    calls = [call["id"] for call in json.loads(message.tool_calls_json) if call["name"] == PLANNING]
    results = {entry["id"]: entry["result"] for entry in json.loads(message.tool_results_json or "[]")}
    result = next((results[call] for call in reversed(calls) if call in results), None)
    if result is None:
        return None, None
    if "error" in result:
        return "clarification" if result["error"].get("code") == NEEDS_CLARIFICATION else "error", None
    plan = (result.get("summary") or {}).get("plan")
    # A result that was cut to fit has no plan any more.
    return ("deployment_plan", {**plan, "instances": result["rows"]}) if isinstance(plan, dict) else (None, None)


def plan_fields(message: Message) -> dict[str, Any]:
    """The fields that a planned answer has beside the others; none for any other answer."""
    kind, plan = planned(message)
    return {} if kind is None else {"response_type": kind, "deployment_plan": plan}
