"""Follows a conversation over the specialists beside the cost analyst: whose the last message is, and its tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from local.demo_model.alert_questions import continued_alerts, read_alerts
from local.demo_model.conversation import clauses
from local.demo_model.dates import normalised
from local.demo_model.explorer_questions import continued_explorer, read_explorer
from local.demo_model.questions import COST_AGENT, FOLLOW_UP, is_greeting, read_question
from local.demo_model.routing import agent_of, says_cost
from local.demo_model.sql_text import sql_in
from local.demo_model.tasks import ALERTS, USAGE, Task
from local.demo_model.usage_questions import continued_usage, read_usage


@dataclass(frozen=True, slots=True)
class Understood:
    """The last message's tasks, none where it is about costs; and the earlier messages that were about costs.

    `asked` is the message without the parts that belong to another agent, which are `left`.
    """

    tasks: tuple[Task, ...]
    about_costs: tuple[str, ...]
    asked: str
    left: tuple[str, ...] = ()


def follow(message: str, earlier: Sequence[str], today: date) -> Understood:
    """Read the conversation from its beginning; a message may continue the task of the one before."""
    known: tuple[Task, ...] = ()
    about_costs: list[str] = []
    for text in earlier:
        tasks = _tasks(text, known, today)
        if tasks:
            known = tasks
            continue
        about_costs.append(text)
        if known and read_question(text, today).subject == COST_AGENT:
            known = ()
    asked, left = _of_one_agent(message, today)
    return Understood(_tasks(asked, known, today), tuple(about_costs), asked, left)


def _of_one_agent(message: str, today: date) -> tuple[str, tuple[str, ...]]:
    """The parts of a message that belong to the agent of its first part, and the others."""
    parts = clauses(message) if sql_in(message) is None else []
    agents = [_agent_of_part(part, today) for part in parts]
    if len(parts) < 2 or None in agents or len(set(agents)) == 1:
        return message, ()
    mine = [part for part, agent in zip(parts, agents, strict=True) if agent == agents[0]]
    others = tuple(part for part, agent in zip(parts, agents, strict=True) if agent != agents[0])
    return " and ".join(mine), others


def _agent_of_part(part: str, today: date) -> str | None:
    """Whose a part of a message is, None where it says too little by itself."""
    if agent := agent_of(part):
        return agent
    read = read_question(part, today)
    is_whole = says_cost(normalised(part)) or read.intent in ("forecast", "drivers", "compare")
    return COST_AGENT if is_whole and read.subject == COST_AGENT else None


def _tasks(text: str, known: Sequence[Task], today: date) -> tuple[Task, ...]:
    if is_greeting(text):
        return ()
    parts = clauses(text) if sql_in(text) is None else []
    agents = [agent_of(part) for part in parts]
    if len(parts) > 1 and agents[0] and len(set(agents)) == 1:
        return tuple(task for part in parts for task in _read(part, agents[0], today))
    agent = agent_of(text)
    last = known[-1] if known else None
    if agent is None:
        return _continued(last, text, today) if last else ()
    if last and last.agent == agent and sql_in(text) is None:
        continues = bool(FOLLOW_UP.match(text.lower())) or (last.ask and last.tool == "acknowledge_alert")
        if continues and (tasks := _continued(last, text, today)):
            return tasks
    return _read(text, agent, today)


def _read(text: str, agent: str, today: date) -> tuple[Task, ...]:
    if agent == ALERTS:
        return read_alerts(text, today)
    return read_usage(text, today) if agent == USAGE else read_explorer(text)


def _continued(known: Task, text: str, today: date) -> tuple[Task, ...]:
    if known.agent == ALERTS:
        return continued_alerts(known, text, today)
    return continued_usage(known, text, today) if known.agent == USAGE else continued_explorer(known, text)
