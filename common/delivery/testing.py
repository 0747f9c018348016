"""The test of a destination: what is sent, and what its outcome means."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from common.notices.destination import Destination
from common.notices.notice import Notice

_SENTENCES: Mapping[str, str] = {
    "not_sent": "The notice could not be sent. Ask the operator of the platform.",
    "timeout": "The receiver did not answer in time.",
    "not_reached": "The receiver cannot be reached. Check the address; it must lead to the public internet.",
    "redirect": "The receiver answered with a redirect, which is not followed. Name the address that it leads to.",
    "gone": "The receiver says that this address is gone (410). Make a new one there, and set its url here.",
    "address_refused": "This address may not be asked. Set another url.",
    "secret_lost": "The stored address cannot be opened any more. Delete this destination, and make a new one.",
    "mail_not_set_up": "Mail is not set up here. Ask the operator of the platform.",
    "recipients_refused": "The mail relay refused all recipients.",
    "some_recipients_refused": "The mail relay refused some of the recipients; the others have it.",
}


def make_test_notice(destination: Destination, now: datetime) -> Notice:
    """A notice that says that it is a test."""
    return Notice(
        notice_id=f"test-{uuid.uuid4().hex}",
        kind="test",
        title=f"Test of {destination.name}",
        text="This is a test. Notices of alerts will look like this one.",
        occurred_at=now,
        facts=(("Destination", destination.name), ("Kind", destination.kind)),
    )


def sentence_of(error: str | None) -> str | None:
    """The meaning of a code in a sentence that says what to do. Returns None for None."""
    if error is None:
        return None
    if error in _SENTENCES:
        return _SENTENCES[error]
    protocol, _, status = error.partition("_")
    return f"The {'mail relay' if protocol == 'smtp' else 'receiver'} answered with {status}."
