"""A digest: what an organisation or a team spent in a week or a month, sent to people when the period is over."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from common import limits
from common.bodies import Body, printable
from common.cost_query.arguments import FilterList
from common.digests.schedule import Cadence, Schedule, Weekday
from common.documents import Document


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("give an IANA time zone such as Europe/Berlin")
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
DestinationId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
DestinationIds = Annotated[list[DestinationId], Field(max_length=limits.MAX_DESTINATIONS)]
Name = Annotated[str, Field(min_length=1, max_length=limits.ALERT_NAME_CHARS), AfterValidator(printable)]
Team = Annotated[str, Field(min_length=1, max_length=limits.ALERT_ID_CHARS)]
Day = Annotated[int, Field(ge=1, le=28)]
Hour = Annotated[int, Field(ge=0, le=23)]


class DigestScope(Body):
    """The scope of a digest: the costs that its filters leave, of a team where it names one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cadence: Cadence
    team: Team | None = None
    filters: FilterList = Field(default_factory=list)


class NewDigest(DigestScope):
    """The body that makes a digest. Without destinations it goes to all; without a zone the organisation's counts."""

    name: Name
    weekday: Weekday = "monday"
    day: Day = 3
    hour: Hour = 8
    time_zone: Zone | None = None
    destinations: DestinationIds = Field(default_factory=list)


class DigestChange(Body):
    """The body that changes a digest; what it does not name stays. A ``team`` of null is every team's costs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    cadence: Cadence | None = None
    team: Team | None = None
    filters: FilterList | None = None
    weekday: Weekday | None = None
    day: Day | None = None
    hour: Hour | None = None
    time_zone: Zone | None = None
    destinations: DestinationIds | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.given:
            raise ValueError(f"name what changes: {', '.join(type(self).model_fields)}")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The fields that the change names, with their values."""
        named = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return {name: value for name, value in named.items() if value is not None or name == "team"}


class ShownDigest(TypedDict):
    """A digest as people read it."""

    digest_id: str
    name: str
    cadence: str
    weekday: str | None
    day: int | None
    hour: int
    time_zone: str
    team: str | None
    filters: list[dict[str, Any]]
    destinations: list[str]
    next_at: str
    last_sent_at: str | None
    last_period: str | None
    created_at: str
    created_by: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest as it is stored. ``version`` is when it last changed, which a change of it is held to."""

    digest_id: str
    name: str
    schedule: Schedule
    team: str | None
    filters: tuple[Mapping[str, Any], ...]
    destinations: tuple[str, ...]
    next_at: datetime
    last_sent_at: datetime | None
    last_period: str | None
    created_at: datetime
    created_by: str
    version: datetime | None = None

    @property
    def data(self) -> dict[str, Any]:
        """Its fields as Firestore holds them."""
        schedule = self.schedule
        return {
            "name": self.name,
            **{each: getattr(schedule, each) for each in ("cadence", "weekday", "day", "hour", "zone")},
            "team": self.team,
            "filters": json.dumps(list(self.filters)),
            "destinations": list(self.destinations),
            **{each: getattr(self, each) for each in ("next_at", "last_sent_at", "last_period", "created_at")},
            "created_by": self.created_by,
        }

    @classmethod
    def of(cls, document: Document) -> Self:
        """The digest that Firestore holds."""
        data = document.data
        return cls(
            digest_id=document.path.rpartition("/")[2],
            name=data["name"],
            schedule=Schedule(*(data[each] for each in ("cadence", "weekday", "day", "hour", "zone"))),
            team=data["team"],
            filters=tuple(json.loads(data["filters"])),
            destinations=tuple(data["destinations"]),
            next_at=data["next_at"],
            last_sent_at=data["last_sent_at"],
            last_period=data["last_period"],
            created_at=data["created_at"],
            created_by=data["created_by"],
            version=document.updated_at,
        )

    def shown(self) -> ShownDigest:
        """Return the digest as people read it."""
        weekly = self.schedule.cadence == "weekly"
        return ShownDigest(
            digest_id=self.digest_id,
            name=self.name,
            cadence=self.schedule.cadence,
            weekday=self.schedule.weekday if weekly else None,
            day=None if weekly else self.schedule.day,
            hour=self.schedule.hour,
            time_zone=self.schedule.zone,
            team=self.team,
            filters=[dict(each) for each in self.filters],
            destinations=list(self.destinations),
            next_at=self.next_at.isoformat(),
            last_sent_at=self.last_sent_at.isoformat() if self.last_sent_at else None,
            last_period=self.last_period,
            created_at=self.created_at.isoformat(),
            created_by=self.created_by,
        )
