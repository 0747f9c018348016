"""The finished steps of a turn under way: kept as it goes, and left to another attempt where there is no answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from common.agents.checkpoint import Checkpoint
from common.agents.events import AgentChanged, Event, TextDelta, ToolFinished, ToolStarted
from common.conversations.kept_steps import KeptSteps
from common.documents import Delete, Put, Write
from common.metering.ledger import Ledger
from common.models.call import Usage
from common.transcript.paths import steps_path
from common.turn.lease import HeldLease
from common.turn.prepared import PreparedTurn


class Steps:
    """The steps of one attempt at an answer, after those of an earlier one that it goes on from.

    The first ``audited`` of their calls are on the record. The first ``kept`` calls of the turn are what another
    attempt would go on from, as far as is known; it would count ``passed_on``.
    """

    def __init__(self, prepared: PreparedTurn, clock: Callable[[], datetime]) -> None:
        self.passed_on = Ledger()
        self.audited = prepared.steps.audited if prepared.steps else 0
        if prepared.cached is not None:
            # They were audited when they were made.
            self.audited = len(prepared.cached.tools)
        self.kept = len(prepared.steps.tools) if prepared.steps else 0
        self._prepared = prepared
        self._clock = clock
        self._newest = prepared.steps

    def count(self, ledger: Ledger) -> None:
        """Count what the earlier attempt used and could not count, once this one has the lease."""
        if self._prepared.steps is not None:
            ledger.carry(self._prepared.model, self._prepared.steps.uncounted)
            self.passed_on = ledger.copy()

    def say_again(self, agent_name: str) -> list[Event]:
        """Tell what the earlier attempt has said and done: it is part of this answer."""
        steps = self._prepared.steps
        if steps is None:
            return []
        place = steps.checkpoint
        events: list[Event] = [AgentChanged(place.agent_name)] if place.agent_name != agent_name else []
        if place.text:
            events.append(TextDelta(place.text))
        for call in steps.tools:
            events += [ToolStarted(call.call_id, call.agent_name, call.tool_name, call.arguments), call]
        return events

    def keep(self, lease: HeldLease, place: Checkpoint, tools: Sequence[ToolFinished], ledger: Ledger) -> None:
        """Keep what is finished, while the model is asked on; ``ledger`` is what this attempt has to count so far."""
        prepared, calls = self._prepared, tuple(tools)
        self._newest = KeptSteps(
            prepared.answer_id, prepared.question.content, calls, place, uncounted=ledger.usage, audited=self.audited
        )
        write, so_far = self._write(self._newest), ledger.copy()

        def note() -> None:
            self.kept, self.passed_on = (len(calls), so_far) if isinstance(write, Put) else (0, Ledger())

        lease.keep(write, note)

    def last_writes(self, *, is_answered: bool, ended_by_itself: bool = True) -> list[Write]:
        """Return what becomes of the kept steps in the turn's last commit, which audits and counts all of it.

        They go away with the answer, and where an attempt that went on from some has failed: the next one begins anew.
        """
        if self._newest is None:
            return []
        if is_answered or (ended_by_itself and self._prepared.steps is not None):
            return [self._removal]
        return [self._write(replace(self._newest, uncounted=Usage(), audited=len(self._newest.tools)))]

    def _write(self, steps: KeptSteps) -> Write:
        """Keep the steps; those that are too long for it take the place of earlier ones all the same."""
        prepared = self._prepared
        now = self._clock()
        return steps.write(prepared.principal.tenant, prepared.conversation.conversation_id, now) or self._removal

    @property
    def _removal(self) -> Write:
        prepared = self._prepared
        tenant, conversation_id = prepared.principal.tenant, prepared.conversation.conversation_id
        return Delete(steps_path(tenant, conversation_id, prepared.answer_id))
