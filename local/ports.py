"""Ports as arguments and before they are used: what is wrong with one is said in a sentence."""

import argparse
import errno
import socket

HIGHEST = 65_535


def port(text: str) -> int:
    """Read a port's number. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= HIGHEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to {HIGHEST}, such as 8010")
    return int(text)


def problem_of(number: int) -> str | None:
    """Say why nothing can be served on a port of 127.0.0.1, and what to do; None where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            if error.errno == errno.EACCES:
                return f"Port {number} is not for everybody to use. Choose one above 1023: make run PORT=8010"
            other = number + 1 if number < HIGHEST else 8010
            return f"Port {number} is taken. Choose another one: make run PORT={other}"
    return None
