"""``python -m local``: the product on one machine, and the tools of whoever operates it."""

import argparse
import importlib
import io
import os
import sys

# Command: the module that has its add_arguments and run, and what it is for. Only the one asked for is imported.
COMMANDS = {
    "run": ("local.serve", "serve every function, the emulators and demo data on one port"),
    "ask": ("local.ask", "ask one question, and see the answer with the SQL behind it"),
    "chat": ("local.chat", "talk: a conversation with a history, commands, tables and charts"),
    "org": ("local.org", "make, list, suspend and offboard organisations"),
    "key": ("local.key", "make, list and revoke an organisation's API keys"),
    "issuer": ("local.issuer", "register, list and remove the issuers of an organisation's people's tokens"),
    "settings": ("local.settings", "show and change an organisation's chat settings and provider key"),
    "focus": ("local.focus", "load a FOCUS bill into an organisation's costs, month by month"),
    "drivers": ("local.drivers", "load an organisation's own counts (orders, customers) for costs per unit"),
    "catalog": ("local.catalog", "check and load the catalogue of list prices, charts and models that plans use"),
    "record": ("local.record", "list the rows that BigQuery rejects, with their reasons, and try them again"),
    "purge": ("local.purge", "erase a conversation, or all of a person, for good"),
    "doctor": ("local.doctor", "say what is wrong with a project's tables, rights, stores and organisations"),
    "tables": ("local.tables", "hold the tables to this version's columns, and add those that they lack"),
    "knowledge": ("local.knowledge", "add, list and delete the documents that answers are taken from"),
    "usage": ("local.usage", "show what the chat used of the models in a month, and the ceilings on it"),
    "episodes": ("local.episodes", "print conversations with a thumb down as redacted episodes to evaluate with"),
    "guard": ("local.guard", "say whether a query that a model wrote would be admitted, and why not"),
    "boundary": ("local.boundary", "print the views and grants that keep organisations apart below the guard"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 not understood."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a question mark for it, not an end.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name in given[:1]:
            chosen = importlib.import_module(module)
            chosen.add_arguments(command)
            command.set_defaults(run=chosen.run)
    options = parser.parse_args(given)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads this has seen enough; nothing more is written, not at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
