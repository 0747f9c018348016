"""An answer of before, which is given again to the very same question."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from common.agents.events import AgentChanged, Event, TextDelta, ToolFinished, ToolStarted
from common.agents.run_state import Answered
from common.models.call import Usage


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """The words, the calls behind them, and when they were made."""

    agent_name: str
    content: str
    tools: tuple[ToolFinished, ...]
    cached_at: datetime

    async def events(self) -> AsyncGenerator[Event | Answered, None]:
        """Yield what a turn with this answer tells, and its end."""
        yield AgentChanged(self.agent_name)
        for call in self.tools:
            yield ToolStarted(call.call_id, call.agent_name, call.tool_name, call.arguments)
            yield call
        yield TextDelta(self.content)
        yield Answered(self.content, self.agent_name, Usage(), 0, 0)
