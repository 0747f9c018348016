"""Values of BigQuery and Firestore as JSON can hold them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def json_safe(value: object) -> Any:
    """Return the value as JSON can hold it. Raises TypeError for a type that no query returns."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date():
            return value.isoformat()
        # What is asked for first is what there is most of: an abstract class is slow to ask for.
        case dict() | Mapping():
            return {str(key): json_safe(item) for key, item in value.items()}
        case list() | Iterable():
            return [json_safe(item) for item in value]
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")
