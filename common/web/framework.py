"""The functions-framework's application, with everything it would answer by itself given to the function."""

import re
from collections.abc import Sequence
from typing import Any

from functions_framework import aio
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn_worker import UvicornWorker

from common.web.http_protocol import HttpProtocol


def answer_everything() -> None:
    """Let the next function that the framework serves answer each method and path, so that every error is JSON.

    By itself the framework answers unknown methods, /favicon.ico and /robots.txt, as plain text, and its server what is
    no HTTP.
    """
    UvicornWorker.CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "http": HttpProtocol}
    aio.Starlette = _application  # type: ignore[attr-defined, assignment]  # its one seam


def _application(routes: Sequence[Route], **given: Any) -> Starlette:
    """The application that the framework makes, with the function's last route, which takes any path, for all."""
    everything = routes[-1]
    everything.methods = None  # Which Starlette takes for all of them.
    everything.path_regex = re.compile("(?P<path>.*)", re.DOTALL)
    return Starlette(routes=[everything], **given)
