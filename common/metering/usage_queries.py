"""The query strings of the usage function."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator

from common import limits
from common.errors import Unprocessable
from common.record import usage_sql
from common.record.usage_sql import By


def _month(value: str) -> str:
    if not re.fullmatch(usage_sql.MONTH, value):
        raise ValueError("write a month as 2026-11")
    return value


class MonthQuery(BaseModel):
    """The part of a query string that both calls take; without a month, this one (UTC)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    month: (
        Annotated[str, AfterValidator(_month), WithJsonSchema({"type": "string", "pattern": usage_sql.MONTH})] | None
    ) = None

    @field_validator("*", mode="before")
    @classmethod
    def _left_out(cls, value: object, info: ValidationInfo) -> object:
        """An empty parameter is one that is left out."""
        return cls.model_fields[str(info.field_name)].default if value == "" else value

    def first_day(self, today: date) -> date:
        """The first day of the month. Raises Unprocessable for a month that has not begun."""
        first = date.fromisoformat(f"{self.month}-01") if self.month else today.replace(day=1)
        if first > today:
            raise Unprocessable(f"month: {self.month} has not begun. The newest month is {today:%Y-%m}.")
        return first


class UsageQuery(MonthQuery):
    """The query string of the figures."""

    by: By = "model"
    limit: int = Field(limits.MAX_USAGE_ROWS, ge=1, le=limits.MAX_USAGE_ROWS)
    cursor: str | None = None


class StatementQuery(MonthQuery):
    """The query string of the statement; without a format, the Accept header says it."""

    format: Literal["json", "csv"] | None = None
