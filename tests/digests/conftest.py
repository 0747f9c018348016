"""The emulators of the scheduled rounds, at a time that a test sets."""

from tests.alerting.conftest import emulated, place

__all__ = ["emulated", "place"]
