"""The emulators of the scheduled rounds, at a time that a test sets; mail is set up."""

import pytest

from tests.alerting.conftest import emulated, place

__all__ = ["emulated", "place"]


@pytest.fixture(autouse=True)
def mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("SMTP_FROM", "finops@cloudcost.example")
