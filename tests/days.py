"""The day on which a test asks: midnight may pass while the tests run."""

import time
from datetime import UTC, date, datetime, timedelta

_LASTS = timedelta(minutes=1)


def lasting_day() -> date:
    """Return today (UTC), which it still is in a minute; just before midnight, wait for the next day."""
    now = datetime.now(UTC)
    soon = now + _LASTS
    if soon.date() == now.date():
        return now.date()
    time.sleep((soon.replace(hour=0, minute=0, second=0, microsecond=0) - now).total_seconds() + 0.1)
    return soon.date()
