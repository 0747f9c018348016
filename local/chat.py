"""A conversation in the terminal, with the same progress, tables and charts as one question."""

import argparse
from pathlib import Path

from local.ask import CANCELLED
from local.terminal.access import access_of, add_access
from local.terminal.chatting import Chat, LeaveError
from local.terminal.id_token import AccessError
from local.terminal.prompt import Prompt
from local.terminal.screen import Screen
from local.terminal.served import NotServedError, served


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_access(parser)
    parser.add_argument(
        "--work", "--sql", action="store_true", help="show the SQL and bytes behind every answer; /sql shows the last"
    )
    parser.add_argument("--open", metavar="ID", help="go on with this conversation")
    parser.add_argument(
        "--state", type=Path, default=Path(".local"), help="where the history of what you typed is kept (.local)"
    )


def run(args: argparse.Namespace) -> int:
    """Talk until the person leaves: 0; 130 by Ctrl-C; 1 where lines came from a file and one had no answer."""
    screen = Screen()
    try:
        access = access_of(args, reads_input=True)
        with served(args.port, screen.note, elsewhere=access.url) as url:
            return _talk(screen, Chat(screen, url, access, shows_work=args.work), args)
    except AccessError as error:
        screen.complain(str(error))
        return 2
    except NotServedError as error:
        screen.complain(str(error))
        return 1
    except KeyboardInterrupt:
        return CANCELLED


def _talk(screen: Screen, chat: Chat, args: argparse.Namespace) -> int:
    prompt = Prompt(args.state / "chat_history", list(chat.commands))
    if prompt.interactive:
        screen.note("Ask about cloud spend, or type /help. Ctrl-C stops an answer; /quit leaves.")
    try:
        if args.open:
            chat.take(f"/open {args.open}")
        while (line := prompt.read(chat.label)) is not None:
            try:
                chat.take(line)
            except KeyboardInterrupt:
                if not prompt.interactive:
                    raise
                screen.note("Stopped. /retry asks again; Ctrl-C once more leaves.")
    except LeaveError:
        pass
    finally:
        prompt.close()
        chat.close()
    return 1 if chat.failed and not prompt.interactive else 0
