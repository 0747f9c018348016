"""Fixtures of deliveries: an organisation with destinations on this machine, and the receivers behind them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from google.cloud.firestore_v1.base_query import FieldFilter

from common.notices.delivery import Delivery
from common.notices.notice import Notice, link_to
from common.notices.paths import DELIVERIES_DUE
from common.tenant import OrgSlug, Tenant
from local.emulators.tasks import TasksEmulator
from local.gateway import function_app
from tests.api.conftest import free_port
from tests.delivery.receiver import receiver
from tests.organizations.conftest import Serving, made, rows, serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

__all__ = ["Serving", "made", "receiver", "rows", "serving"]
QUEUE = "projects/local-dev-project/locations/local/queues/deliver"


class Postman(Message):
    """Keeps the mail that it takes, and refuses whom it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


@dataclass
class Mailing:
    """A mail relay on this machine."""

    postman: Postman
    port: int


@pytest.fixture
def relay() -> Iterator[Mailing]:
    postman = Postman()
    port = free_port()
    controller = Controller(postman, hostname="127.0.0.1", port=port)
    controller.start()
    yield Mailing(postman, port)
    controller.stop()


@pytest.fixture
def tasks() -> Iterator[TasksEmulator]:
    emulator = TasksEmulator()
    emulator.start()
    yield emulator
    emulator.stop()


@dataclass
class Post:
    """The organisation's deliveries, over the product's functions."""

    product: Product
    made: Made
    http: httpx.AsyncClient
    tenant: Tenant

    async def make(self, **given: Any) -> tuple[str, str | None]:
        """Make a destination, and return its id with the secret."""
        answer = await self.http.post("/destinations", json={"name": given["kind"], **given}, headers=self.made.admin)
        assert answer.status_code == 201, answer.text
        return answer.json()["destination"]["destination_id"], answer.json()["secret"]

    async def notify(self, notice_id: str = "alert-1", **given: Any) -> list[str]:
        """Store a notice for all destinations, and return its deliveries."""
        notice = Notice(
            **{
                "notice_id": notice_id, "kind": "digest", "title": "AWS <!channel> [x](http://evil.example)",
                "text": "It fired.\nLook at it.", "occurred_at": datetime.now(UTC), "severity": "critical",
                "facts": (("Figure", "1,200 USD"), ("Limit", "1,000 USD")),
                "link": link_to(self.tenant, alert=notice_id), "details": {"value": 1200}, **given,
            }
        )  # fmt: skip
        return await self.product.services.notices.send(self.tenant, notice)

    async def deliver(self, delivery_id: str) -> dict[str, Any]:
        return dict(await self.product.services.deliveries.deliver(self.tenant, delivery_id))

    async def told(self, notice_id: str = "alert-1") -> list[Delivery]:
        return await self.product.services.notices.deliveries(self.tenant, notice_id)

    def due(self) -> list[dict[str, Any]]:
        mine = FieldFilter("org_slug", "==", self.made.slug)
        found = self.product.documents.collection(DELIVERIES_DUE).where(filter=mine).stream()
        return [each.to_dict() or {} for each in found]


@pytest.fixture
async def post(serving: Serving, made: Made, relay: Mailing, tasks: TasksEmulator) -> AsyncIterator[Post]:
    product: Product = await serving(
        local_destinations=True, chat_page_url="http://127.0.0.1:8002/", smtp_host="127.0.0.1", smtp_port=relay.port,
        smtp_tls="none", smtp_from="alerts@cloudcost.example", deliver_queue=QUEUE,
        deliver_url="http://127.0.0.1:9/deliver", cloud_tasks_emulator_host=tasks.url,
    )  # fmt: skip
    app: Any = httpx.ASGITransport(function_app("destinations"))
    async with httpx.AsyncClient(transport=app, base_url="http://destinations", timeout=60) as http:
        yield Post(product, made, http, product.services.directory.tenant(OrgSlug(made.slug)))
