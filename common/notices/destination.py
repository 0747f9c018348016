"""A destination: a place that an organisation's notices are sent to, and the bodies that make and change one."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator
from typing_extensions import TypedDict

from common import limits
from common.bodies import Body, printable
from common.egress import EgressRefused, check_url
from common.secret import Secret

DestinationKind = Literal["webhook", "slack", "teams", "email"]

_MAILBOX = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_MAILBOX_CHARS = 254


def _mailbox(text: str) -> str:
    if len(text) > _MAILBOX_CHARS or _MAILBOX.fullmatch(text) is None:
        raise ValueError("write an address such as finops@example.com")
    return text


Name = Annotated[str, Field(min_length=1, max_length=limits.DESTINATION_NAME_CHARS), AfterValidator(printable)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Recipients = Annotated[list[Mailbox], Field(min_length=1, max_length=limits.MAX_RECIPIENTS)]


class NewDestination(Body):
    """The body that makes a destination: the URL of a webhook, of Slack or Teams, or the recipients of mail."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    kind: DestinationKind
    url: SecretStr | None = None
    recipients: Recipients | None = None

    @model_validator(mode="after")
    def _has_its_address(self) -> Self:
        if self.kind == "email":
            if self.recipients is None or self.url is not None:
                raise ValueError("a destination of kind email needs recipients, and no url")
        elif self.url is None or self.recipients is not None:
            raise ValueError(f"a destination of kind {self.kind} needs url, and no recipients")
        return self


class DestinationChange(Body):
    """The body that changes a destination; what it does not name stays. ``active`` false sends nothing there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    url: SecretStr | None = None
    recipients: Recipients | None = None
    active: bool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.name is None and self.url is None and self.recipients is None and self.active is None:
            raise ValueError("name what changes: name, url, recipients or active")
        return self


class ShownDestination(TypedDict):
    """A destination as people read it: never a secret, and of a URL no more than its host."""

    destination_id: str
    kind: str
    name: str
    address: str
    recipients: list[str]
    active: bool
    off_reason: str | None
    created_at: str
    created_by: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as it is stored. ``sealed`` is what KMS made of its URL and secrets; empty for mail.

    ``off_reason`` says why the product switched it off by itself; None where a person did, or where it is on.
    """

    destination_id: str
    kind: DestinationKind
    name: str
    host: str
    recipients: tuple[str, ...]
    sealed: bytes
    active: bool
    off_reason: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime

    @property
    def address(self) -> str:
        """The place that it leads to, as far as it may be shown."""
        return ", ".join(self.recipients) if self.kind == "email" else self.host

    @property
    def data(self) -> dict[str, Any]:
        """Its fields as Firestore holds them."""
        stored = {name: getattr(self, name) for name in self.__slots__ if name != "destination_id"}
        return {**stored, "recipients": list(self.recipients)}

    @classmethod
    def of(cls, destination_id: str, data: Mapping[str, Any]) -> Self:
        """The destination that Firestore holds."""
        return cls(destination_id=destination_id, **{**data, "recipients": tuple(data["recipients"])})

    def shown(self) -> ShownDestination:
        """Return the destination as people read it."""
        return ShownDestination(
            destination_id=self.destination_id,
            kind=self.kind,
            name=self.name,
            address=self.address,
            recipients=list(self.recipients),
            active=self.active,
            off_reason=self.off_reason,
            created_at=self.created_at.isoformat(),
            created_by=self.created_by,
            updated_at=self.updated_at.isoformat(),
        )


@dataclass(frozen=True, slots=True)
class Address:
    """The URL of a destination with the secrets that sign what is sent there; the older one until ``old_until``."""

    url: str
    secret: str | None = None
    old_secret: str | None = None
    old_until: datetime | None = None

    def sealed(self) -> Secret:
        """The address as the text that KMS wraps."""
        until = self.old_until.isoformat() if self.old_until else None
        told = {"url": self.url, "secret": self.secret, "old_secret": self.old_secret, "old_until": until}
        return Secret(json.dumps(told))

    @classmethod
    def read(cls, opened: Secret) -> Self:
        """Read the address back."""
        told = json.loads(opened.reveal())
        until = told.pop("old_until")
        return cls(**told, old_until=datetime.fromisoformat(until) if until else None)

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at a moment, the newest first."""
        old = self.old_secret if self.old_until is not None and now < self.old_until else None
        return tuple(each for each in (self.secret, old) if each)

    def __repr__(self) -> str:
        return "Address(…)"


def check_address(url: str, *, loopback: bool) -> str:
    """Return the host of a URL that notices may be sent to. Raises ValueError with what to write instead."""
    try:
        host = urlsplit(check_url(url, loopback=loopback)).hostname
    except EgressRefused as refused:
        raise ValueError(f"url: {refused}") from None
    return host or ""


def chosen(found: Sequence[Destination], ids: Sequence[str] = ()) -> list[str]:
    """The ids of the destinations to tell: of those named that are active; of all where none of those named exists."""
    named = [each for each in found if each.destination_id in ids]
    return [each.destination_id for each in named or found if each.active]
