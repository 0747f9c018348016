"""The composition root: the environment's settings become the instance's services, once."""

import gc
import sys

from common.services import Services
from common.settings import InvalidSettings, load_settings
from common.web import framework

__all__ = ["Services", "check_settings", "services", "use", "warm"]

_services: Services | None = None


def services() -> Services:
    """The instance's Services, built from the environment on first use."""
    global _services
    if _services is None:
        _services = Services(load_settings())
    return _services


def warm() -> None:
    """Begin, once, to get ready for the first turn: a function that calls models says so with its first request."""
    _ = services().warming


def use(override: Services | None) -> None:
    """Serve with these Services instead; None goes back to the environment's."""
    global _services
    _services = override


def check_settings() -> None:
    """Stop the process, with one sentence per problem, when the environment cannot be served with."""
    framework.answer_everything()
    try:
        load_settings()
    except InvalidSettings as problems:
        sys.exit(f"The settings are not valid:\n{problems}")
    # The server forks after this. What was imported is shared then, and a search for garbage would copy it.
    gc.freeze()
