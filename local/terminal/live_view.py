"""An answer as it grows, before a person: who is at work, each tool call, and the markdown as it is written."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from local.terminal.answer import ToolCall
from local.terminal.markdown import SafeMarkdown, finished_part, shown_part
from local.terminal.neutral import neutral, neutral_line
from local.terminal.work import described, outcome

_DRAWN_EVERY_SECONDS = 0.08


class LiveView:
    """Keeps finished blocks on the screen; below them the last block and the progress move."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots", style="cyan")
        self._agent = ""
        self._since = time.monotonic()
        self._running: dict[str, tuple[ToolCall, float]] = {}
        self._rest = ""
        self._printed = False
        # The library's own thread may draw in the middle of a print; here one lock holds for both.
        self._drawing = threading.Lock()
        self._left = threading.Event()
        self._drawer = threading.Thread(target=self._draw, daemon=True)
        self._live = Live(console=console, get_renderable=self._moving, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        self._drawer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rest, self._rest = self._rest, ""
        self._running = {}
        self._left.set()
        self._drawer.join()
        self._live.stop()
        self._keep(rest)

    def agent(self, name: str) -> None:
        self._agent = neutral_line(name)

    def tool_started(self, call: ToolCall) -> None:
        self._running = {**self._running, call.id: (call, time.monotonic())}

    def tool_finished(self, call: ToolCall) -> None:
        self._running = {id: entry for id, entry in self._running.items() if id != call.id}
        sign, style = ("✗", "yellow") if call.error is not None else ("✓", "dim")
        self._above(Text(f"{sign} {neutral_line(call.agent_name)} · {described(call)} · {outcome(call)}", style=style))

    def text(self, piece: str) -> None:
        rest = self._rest + piece
        if "\n" in piece and (end := finished_part(rest)):
            self._rest = rest[end:]
            self._keep(rest[:end])
        else:
            self._rest = rest

    def begin_again(self) -> None:
        rest, self._rest = self._rest, ""
        self._keep(rest)
        self._above(Text("── the answer, another time ──", style="yellow"))

    def note(self, sentence: str) -> None:
        self._above(Text(neutral(sentence), style="yellow"))

    def _keep(self, markdown: str) -> None:
        """Print a part of the answer where it stays."""
        if markdown.strip():
            self._above(*([""] if self._printed else []), SafeMarkdown(markdown))
            self._printed = True

    def _above(self, *finished: RenderableType) -> None:
        with self._drawing:
            # What moves is brought up to date first: it is drawn again below what is printed.
            self._live.refresh()
            for each in finished:
                self._console.print(each)

    def _draw(self) -> None:
        while not self._left.wait(_DRAWN_EVERY_SECONDS):
            with self._drawing:
                self._live.refresh()

    def _moving(self) -> RenderableType:
        """The last lines; called from the thread that draws."""
        running = tuple(self._running.values())
        parts: list[RenderableType] = []
        rest = shown_part(self._rest)
        if rest:
            # A block that is longer than the screen is shown by its end, and in full once it is finished.
            most = max(4, self._console.height - 6)
            lines = rest.splitlines()
            parts.append(SafeMarkdown(rest) if len(lines) <= most else Text(neutral("\n".join(lines[-most:]))))
        now = time.monotonic()
        said = [f"{described(call)} … {now - since:.1f} s" for call, since in running]
        if not said and not rest and not self._left.is_set():
            said = [f"{self._agent or 'Asking'} … {now - self._since:.1f} s"]
        for line in said:
            self._spinner.update(text=Text(line, style="dim", overflow="ellipsis", no_wrap=True))
            parts.append(self._spinner.render(now))
        return Group(*parts)
