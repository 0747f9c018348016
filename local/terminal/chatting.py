"""A conversation in the terminal: questions, and commands that begin with a slash."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.data.organizations import API_KEYS
from local.terminal.access import Access
from local.terminal.answer import Answer, stored_answer
from local.terminal.asking import Question, ask, decision
from local.terminal.client import Client, ConnectionLostError, RefusedError
from local.terminal.neutral import neutral_line
from local.terminal.plan_card import plan_of
from local.terminal.plan_file import plan_text
from local.terminal.screen import Screen

_SHOWN_MESSAGES = 6


@dataclass(frozen=True, slots=True)
class Command:
    """A command after a slash."""

    usage: str
    purpose: str
    run: Callable[[str], None]


class LeaveError(Exception):
    """The person wants to go."""


class MistypedError(Exception):
    """A command was not understood; the text says how it is meant."""


@contextmanager
def _writing(path: Path, usage: str) -> Iterator[None]:
    """Say why a new file cannot be written. Raises MistypedError."""
    try:
        yield
    except FileExistsError:
        raise MistypedError(f"{path} is there already. Name another file: {usage}") from None
    except OSError as error:
        raise MistypedError(f"{path} cannot be written: {error.strerror}.") from None


class Chat:
    """The state of the conversation. ``failed`` counts what was refused, failed or not understood."""

    def __init__(self, screen: Screen, url: str, access: Access, *, shows_work: bool) -> None:
        self._screen = screen
        self._access = access
        self._client = Client(url, access)
        self._shows_work = shows_work
        self._conversation_id: str | None = None
        self._answer: Answer | None = None
        self._unanswered: Question | None = None
        self._listed: list[str] = []
        self._more: str | None = None
        self.failed = 0
        self.commands = {
            "/new": Command("/new", "begin a new conversation", self._new),
            "/list": Command("/list [more]", "your conversations, newest first", self._list),
            "/open": Command("/open N", "go on with a conversation of the list, or by its id", self._open),
            "/rename": Command("/rename TITLE", "give this conversation a title", self._rename),
            "/search": Command("/search TEXT", "find what was said, in all your conversations", self._search),
            "/export": Command("/export [FILE]", "write this conversation to a JSON file", self._export),
            "/plan": Command(
                "/plan [FILE.md|FILE.yaml]", "keep the last answer's plan, or its values for helm", self._plan
            ),
            "/sql": Command("/sql", "period, filters, SQL and bytes of the last answer", self._sql),
            "/chart": Command("/chart", "draw the last answer's chart again", self._chart),
            "/retry": Command("/retry", "ask the last question again, where its answer did not come", self._retry),
            "/org": Command(f"/org {'|'.join(API_KEYS)}", "ask as another organisation", self._org),
            "/help": Command("/help", "this list", self._help),
            "/quit": Command("/quit", "leave; so does Ctrl-D", self._quit),
        }

    @property
    def label(self) -> str:
        """The prompt before the person's line."""
        if self._answer is None:
            return self._client.org
        choices = len((self._answer.question or {}).get("choices") or ())
        waits = "yes/no" if self._answer.waiting else f"1-{choices}" if choices > 1 else ""
        return f"{self._client.org} {waits}".rstrip()

    def take(self, line: str) -> None:
        """Answer a question or do a command; what goes wrong is said. Raises LeaveError and KeyboardInterrupt."""
        try:
            if line.startswith("/"):
                self._command(line)
            elif line.strip():
                self._ask(self._decision(line) or Question(line, self._conversation_id))
        except (RefusedError, ConnectionLostError) as error:
            self._complain(error.detail)
        except MistypedError as error:
            self._complain(str(error))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _complain(self, sentence: str) -> None:
        self.failed += 1
        self._screen.complain(sentence)

    def _command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        command = self.commands.get(name)
        if command is None:
            raise MistypedError(f"There is no command {name}. /help lists them.")
        command.run(rest.strip())

    def _ask(self, question: Question, *, again: bool = False) -> None:
        self._unanswered, self._answer = question, None
        try:
            with self._screen.watching() as view:
                answer = ask(self._client, question, view, again=again, started=self._went_to)
        except (RefusedError, ConnectionLostError) as error:
            self._complain(f"{error.detail} /retry asks again.")
            return
        self._answer, self._unanswered = answer, None
        self._screen.ending(answer.finish.get("finish"))
        self._screen.unverified(answer.finish.get("unverified_figures"))
        self._screen.sources(answer.finish.get("citations"))
        self._screen.warning(answer.finish.get("usage_warning"))
        self._screen.charts(answer)
        self._screen.plan(answer)
        if self._shows_work:
            self._screen.work(answer)
        if not self._screen.lively:
            self._screen.say("")

    def _decision(self, line: str) -> Question | None:
        """The line as the answer to changes that wait, None where nothing waits or it is a question."""
        allowed = {"y": True, "yes": True, "n": False, "no": False}.get(line.strip().casefold())
        if allowed is None or self._answer is None or not self._answer.waiting:
            return None
        return decision(self._answer, approved=allowed)

    def _went_to(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id

    def _retry(self, _: str) -> None:
        if self._unanswered is None:
            raise MistypedError("Nothing is unanswered. Type a question.")
        self._ask(self._unanswered, again=True)

    def _new(self, _: str) -> None:
        self._conversation_id = self._answer = self._unanswered = None
        self._screen.note("A new conversation begins with your next question.")

    def _list(self, rest: str) -> None:
        if rest not in ("", "more"):
            raise MistypedError("Type /list, or /list more.")
        if rest == "more" and self._more is None:
            raise MistypedError("There are no more.")
        page = self._client.conversations(self._more if rest else None)
        if not rest:
            self._listed = []
        first = len(self._listed) + 1
        found = page["conversations"]
        self._listed += [each["conversation_id"] for each in found]
        self._more = page.get("next_cursor")
        if not found:
            self._screen.note("You have no conversations yet.")
            return
        rows = [
            (
                f"{number}{'*' if each['conversation_id'] == self._conversation_id else ''}",
                each["title"],
                each["message_count"],
                _minute(each["last_message_at"]),
            )
            for number, each in enumerate(found, first)
        ]
        self._screen.table(("", "title", "messages", "last (UTC)"), rows)
        if self._more:
            self._screen.note("/list more shows older ones.")

    def _open(self, rest: str) -> None:
        if not rest:
            raise MistypedError("Type /open and the number of a conversation in /list.")
        exported = self._client.exported(self._chosen(rest))
        conversation = exported["conversation"]
        self._conversation_id = conversation["conversation_id"]
        self._unanswered = None
        stored = stored_answer(exported)
        self._answer = stored[0] if stored else None
        self._screen.say(f"{neutral_line(conversation['title'])} · {conversation['message_count']} messages", "bold")
        for message in exported["messages"][-_SHOWN_MESSAGES:]:
            self._screen.say("")
            if message["role"] == "user":
                self._screen.say(f"> {message['content']}", "cyan")
            else:
                self._screen.message(message["content"])
                self._screen.ending(message.get("finish"))
                self._screen.unverified(message.get("unverified_figures"))
                self._screen.sources(message.get("citations"))
        if self._answer is not None:
            self._screen.charts(self._answer)
            self._screen.plan(self._answer)

    def _chosen(self, text: str) -> str:
        if not (text.isascii() and text.isdigit()) or len(text) > len("1000"):
            return text
        if not 1 <= int(text) <= len(self._listed):
            raise MistypedError(f"There is no number {text}. /list shows what there is.")
        return self._listed[int(text) - 1]

    def _rename(self, rest: str) -> None:
        conversation_id = self._current()
        if not rest:
            raise MistypedError("Type /rename and the title.")
        self._client.rename(conversation_id, rest)
        self._screen.note("Renamed.")

    def _search(self, rest: str) -> None:
        if not rest:
            raise MistypedError("Type /search and what to look for.")
        found = self._client.search(rest)
        self._listed = list(dict.fromkeys(hit["conversation_id"] for hit in found["results"]))
        self._more = None
        numbers = {conversation_id: number for number, conversation_id in enumerate(self._listed, 1)}
        if not numbers:
            self._screen.note("Nothing was found.")
            return
        rows = [
            (numbers[hit["conversation_id"]], _minute(hit["created_at"]), hit["role"], hit["snippet"])
            for hit in found["results"]
        ]
        self._screen.table(("", "when (UTC)", "who", "what"), rows)
        self._screen.note("/open N goes on with one of them.")

    def _export(self, rest: str) -> None:
        conversation_id = self._current()
        path = Path(rest or f"conversation-{conversation_id}.json").expanduser()
        with _writing(path, "/export FILE"):
            size = self._client.export_to(conversation_id, path)
        self._screen.note(f"{path}: {size:,} bytes.")

    def _plan(self, rest: str) -> None:
        calls = self._answer.tools if self._answer is not None else []
        results = [call.result for call in reversed(calls) if plan_of(call.result)]
        if not results:
            raise MistypedError("The last answer has no plan.")
        path = Path(rest or f"{(plan_of(results[0]) or {})['plan_id']}.md").expanduser()
        try:
            text = plan_text(results[0], path)
        except ValueError:
            raise MistypedError("Name a file that ends with .md, or with .yaml for helm's values.") from None
        with _writing(path, "/plan FILE"), path.open("x", encoding="utf-8") as file:
            file.write(text or "")
        self._screen.note(f"{path}: {path.stat().st_size:,} bytes.")

    def _sql(self, _: str) -> None:
        if self._answer is None:
            raise MistypedError("There is no answer yet.")
        self._screen.work(self._answer)

    def _chart(self, _: str) -> None:
        if self._answer is None or not self._screen.charts(self._answer):
            raise MistypedError("The last answer has no chart.")

    def _org(self, rest: str) -> None:
        if not self._access.is_demo:
            raise MistypedError("Another organisation has another key: leave, and begin with its --org and --key-file.")
        if rest not in API_KEYS:
            raise MistypedError(f"Type /org and one of {', '.join(API_KEYS)}.")
        self._client.close()
        self._access = Access(rest, self._access.user, API_KEYS[rest])
        self._client = Client(self._client.url, self._access)
        self._listed, self._more = [], None
        self._new("")

    def _help(self, _: str) -> None:
        self._screen.table(("", ""), [(command.usage, command.purpose) for command in self.commands.values()])
        self._screen.note("Ctrl-C stops an answer, and at an empty prompt it leaves.")

    def _quit(self, _: str) -> None:
        raise LeaveError

    def _current(self) -> str:
        if self._conversation_id is None:
            raise MistypedError("There is no conversation yet: ask something, or /open one.")
        return self._conversation_id


def _minute(moment: Any) -> str:
    """A time to the minute."""
    return str(moment)[:16].replace("T", " ")
