"""One question in the terminal: the answer as it is written, its chart, and a line of what it rests on."""

import argparse
import json
import sys
from collections.abc import Callable

from local.terminal.access import Access, access_of, add_access
from local.terminal.answer import Answer
from local.terminal.asking import Question, ask, decision
from local.terminal.client import Client, ConnectionLostError, RefusedError
from local.terminal.id_token import AccessError
from local.terminal.screen import Screen
from local.terminal.served import NotServedError, served
from local.terminal.silent_view import SilentView

CANCELLED = 130
# A model that wants one change after the other is not followed for ever.
_MOST_DECISIONS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_access(parser)
    parser.add_argument("--conversation", help="continue this conversation")
    parser.add_argument(
        "--work",
        "--sql",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="show the SQL, its values and the bytes behind the answer, not only a line of what it rests on",
    )
    parser.add_argument("--yes", action="store_true", help="allow what the answer wants to change, without asking")
    parser.add_argument("--json", action="store_true", help="print the answer and its tool calls as one JSON object")
    parser.add_argument("question", help="the question, in plain words")


def run(args: argparse.Namespace) -> int:
    """Ask, and print what comes: 0 answered, 1 refused or failed, 2 not understood, 130 cancelled."""
    screen = Screen()
    if not args.question.strip():
        screen.complain('Ask something: make ask Q="What did we spend per provider last month?"')
        return 2
    try:
        access = access_of(args, reads_input=False)
        with served(args.port, screen.note, elsewhere=access.url) as url, Client(url, access) as client:
            return _ask(screen, client, access, args)
    except AccessError as error:
        screen.complain(str(error))
        return 2
    except RefusedError as error:
        _tell(args, error.code, error.detail)
        screen.complain(error.detail)
    except ConnectionLostError as error:
        _tell(args, "connection_lost", error.detail)
        screen.complain(error.detail)
    except NotServedError as error:
        screen.complain(str(error))
    except KeyboardInterrupt:
        screen.complain("Cancelled.")
        return CANCELLED
    return 1


def _ask(screen: Screen, client: Client, access: Access, args: argparse.Namespace) -> int:
    question = Question(args.question, args.conversation)
    if args.json:
        answer = _decided(question, args, lambda: None, lambda question: ask(client, question, SilentView()))
        print(json.dumps(answer.as_json(), indent=2))
        return 0

    def watched(question: Question) -> Answer:
        with screen.watching() as view:
            return ask(client, question, view)

    answer = _decided(question, args, screen.allows, watched)
    if answer.waiting:
        place = f"{access.place} --conversation {answer.finish['conversation_id']}"
        screen.note(f"Nothing is changed yet. To allow it: python -m local ask {place} yes")
    if answer.question is not None:
        place = f"{access.place} --conversation {answer.finish['conversation_id']}"
        screen.note(f'To answer, with a number or in words: python -m local ask {place} "…"')
    screen.ending(answer.finish.get("finish"))
    screen.unverified(answer.finish.get("unverified_figures"))
    screen.sources(answer.finish.get("citations"))
    screen.warning(answer.finish.get("usage_warning"))
    screen.charts(answer)
    screen.plan(answer)
    if args.work:
        screen.work(answer)
    else:
        screen.basis(answer)
    return 0


def _decided(
    question: Question,
    args: argparse.Namespace,
    allows: Callable[[], bool | None],
    asked: Callable[[Question], Answer],
) -> Answer:
    """The answer once each change that it waits for is decided, or cannot be."""
    answer = asked(question)
    for _ in range(_MOST_DECISIONS):
        allowed = (args.yes or allows()) if answer.waiting else None
        if allowed is None:
            break
        answer = asked(decision(answer, approved=allowed))
    return answer


def _tell(args: argparse.Namespace, code: str, message: str) -> None:
    """A script that reads JSON gets JSON."""
    if args.json:
        sys.stdout.write(json.dumps({"error": {"code": code, "message": message}}) + "\n")
