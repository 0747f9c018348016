"""The one try to hand a notice to a destination, and what its receiver made of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from common import egress
from common.delivery import messages
from common.egress import EgressFailed, EgressRefused
from common.errors import KeyInvalid
from common.notices.destination import Destination
from common.notices.destinations import Destinations
from common.notices.notice import Notice
from common.settings import Settings
from common.tenant import Tenant

SMTP_SECONDS = 20.0
_GONE = 410
_SECONDS = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Tried:
    """The outcome of one try. ``error`` is a stable code, None where the receiver took the notice.

    ``again`` says that another try may succeed, ``wait`` how many seconds the receiver wants it to wait at least;
    ``off`` that the receiver wants no more.
    """

    error: str | None = None
    again: bool = True
    wait: int | None = None
    off: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends notices. Raises KeyServiceUnavailable where a destination's secret cannot be opened at the moment."""

    settings: Settings
    destinations: Destinations
    clock: Callable[[], datetime]

    async def send(self, tenant: Tenant, destination: Destination, notice: Notice, message_id: str) -> Tried:
        """Try once to hand a notice over; ``message_id`` is the same for each try of one delivery."""
        page = self.settings.chat_page_url
        link = f"{page}{notice.link}" if page is not None and notice.link is not None else None
        if destination.kind == "email":
            return await self._mail(destination, notice, message_id, link)
        try:
            address = await self.destinations.open(tenant, destination)
        except KeyInvalid:
            return Tried("secret_lost", again=False)
        headers = {"Content-Type": "application/json", "User-Agent": "cloudcost-chat"}
        match destination.kind:
            case "slack":
                body = messages.slack_body(notice, link)
            case "teams":
                body = messages.teams_body(notice, link)
            case _:
                body = messages.webhook_body(tenant.org_slug, notice, link)
                now = self.clock()
                headers = messages.signed_headers(message_id, now, body, address.secrets(now))
        try:
            reply = await egress.post(address.url, body, headers, loopback=self.settings.local_destinations)
        except EgressRefused:
            return Tried("address_refused", again=False)
        except EgressFailed as failed:
            return Tried("timeout" if isinstance(failed.__cause__, TimeoutError) else "not_reached")
        return _judged(reply.status, reply.retry_after, self.clock())

    async def _mail(self, destination: Destination, notice: Notice, message_id: str, link: str | None) -> Tried:
        import aiosmtplib

        settings = self.settings
        if settings.smtp_host is None or settings.smtp_from is None:
            return Tried("mail_not_set_up", again=False)
        message = messages.mail(notice, link, message_id, settings.smtp_from, destination.recipients, self.clock())
        password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
        try:
            refused, _ = await aiosmtplib.send(
                message, hostname=settings.smtp_host, port=settings.smtp_port, username=settings.smtp_username,
                password=password, use_tls=settings.smtp_tls == "tls", start_tls=settings.smtp_tls == "starttls",
                timeout=SMTP_SECONDS,
            )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused:
            return Tried("recipients_refused")
        except aiosmtplib.SMTPResponseException as answered:
            return Tried(f"smtp_{answered.code}")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Tried("timeout" if isinstance(error, TimeoutError) else "not_reached")
        # Some have it: it is not sent again to all because of the others.
        return Tried("some_recipients_refused", again=False) if refused else Tried()


def _judged(status: int, retry_after: str | None, now: datetime) -> Tried:
    if 200 <= status < 300:
        return Tried()
    if status == _GONE:
        return Tried("gone", again=False, off=True)
    if 300 <= status < 400:
        return Tried("redirect")
    return Tried(f"http_{status}", wait=_seconds(retry_after, now))


def _seconds(retry_after: str | None, now: datetime) -> int | None:
    """The seconds that a Retry-After names, as a number or a date. Returns None for anything else."""
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after.strip()):
        return int(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, round((at - now).total_seconds()))
