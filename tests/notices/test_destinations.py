"""An organisation's destinations: made, shown without secrets, changed, deleted, and nobody else's."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from common import limits
from common.notices.destination import chosen
from common.notices.notice import Notice
from common.tenant import OrgSlug
from local.gateway import function_app
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made, Rows
from tests.organizations.serving import Product

URL = "https://hooks.example.com/services/T000/B000/the-secret-part"
HOOK = {"name": "Ops", "kind": "webhook", "url": URL}


async def test_a_destination_is_made_changed_and_deleted_and_never_shows_its_secrets(
    destinations: httpx.AsyncClient, made: Made, product: Product
) -> None:
    answer = await destinations.post("/destinations", json=HOOK, headers=made.admin)
    assert answer.status_code == 201, answer.text + product.logs.getvalue()
    secret, shown = answer.json()["secret"], answer.json()["destination"]
    assert secret.startswith("whsec_")
    assert (shown["name"], shown["kind"], shown["address"], shown["active"]) == (
        "Ops",
        "webhook",
        "hooks.example.com",
        True,
    )
    path = f"/destinations/{shown['destination_id']}"
    assert (await destinations.get(path, headers=made.member)).json() == shown
    rotated = (await destinations.post(f"{path}/secret", headers=made.admin)).json()["secret"]
    assert rotated.startswith("whsec_")
    assert rotated != secret
    tenant = product.services.directory.tenant(OrgSlug(made.slug))
    kept = product.services.destinations
    opened = await kept.open(tenant, await kept.read(tenant, shown["destination_id"]))
    assert (opened.url, opened.secrets(product.clock())) == (URL, (rotated, secret))
    product.clock.forward(hours=25)
    assert opened.secrets(product.clock()) == (rotated,)
    changed = await destinations.patch(path, json={"name": "Night", "active": False}, headers=made.admin)
    assert (changed.json()["name"], changed.json()["active"]) == ("Night", False)
    mail = {"name": "Mail", "kind": "email", "recipients": ["finops@example.com", "cfo@example.com"]}
    mailed = (await destinations.post("/destinations", json=mail, headers=made.admin)).json()
    assert (mailed["secret"], mailed["destination"]["recipients"]) == (None, mail["recipients"])
    assert (await destinations.post(f"/destinations/{mailed['destination']['destination_id']}/secret",
                                    headers=made.admin)).status_code == 422  # fmt: skip
    stored = product.documents.document(f"orgs/{made.slug}/notices/destinations").get().to_dict()
    listed = (await destinations.get("/destinations", headers=made.admin)).text
    everywhere = f"{stored} {listed} {product.logs.getvalue()}"
    for planted in (secret, rotated, "the-secret-part"):
        assert planted not in everywhere
    assert (await destinations.delete(path, headers=made.admin)).json() == {"status": "deleted"}
    assert (await destinations.get(path, headers=made.admin)).json()["code"] == "destination_not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://hooks.example.com/x"}, {"url": "https://127.0.0.1/x"}, {"url": "https://2130706433/x"},
        {"url": "https://hooks.example.com:8443/x"}, {"url": "https://user@hooks.example.com/x"},
        {"url": "https://metadata.google.internal/x"}, {"url": "https://[::1]/x"}, {"url": None},
        {"url": "http://127.0.0.1:9/x"}, {"kind": "email"}, {"kind": "email", "url": None, "recipients": ["a@b"]},
        {"kind": "email", "url": None, "recipients": ["a@example.com\r\nBcc: b@example.com"]},
        {"kind": "email", "url": None, "recipients": []}, {"name": "a\nb"}, {"secret": "whsec_mine"},
    ],
)  # fmt: skip
async def test_a_destination_that_may_not_be_is_refused_with_what_to_write(
    destinations: httpx.AsyncClient, made: Made, wrong: dict[str, object]
) -> None:
    answer = await destinations.post("/destinations", json=HOOK | wrong, headers=made.admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert "the-secret-part" not in answer.text
    assert (await destinations.get("/destinations", headers=made.admin)).json() == {"destinations": []}


async def test_another_organisations_destination_is_not_there(
    destinations: httpx.AsyncClient, made: Made, rows: Rows
) -> None:
    shown = (await destinations.post("/destinations", json=HOOK, headers=made.admin)).json()["destination"]
    other, path = rows.make(), f"/destinations/{shown['destination_id']}"
    for method, at in (("GET", path), ("DELETE", path), ("POST", f"{path}/secret"), ("GET", f"{path}/deliveries")):
        answer = await destinations.request(method, at, headers=other.admin)
        assert (answer.status_code, answer.json()["code"]) == (404, "destination_not_found")
    answer = await destinations.patch(path, json={"active": False}, headers=other.admin)
    assert answer.status_code == 404
    assert (await destinations.get(path, headers=made.member)).json() == shown
    assert (await destinations.get("/destinations", headers=other.admin)).json() == {"destinations": []}


async def test_mail_is_no_choice_where_the_operator_has_no_relay(serving: Serving, made: Made) -> None:
    await serving()
    app: Any = httpx.ASGITransport(function_app("destinations"))
    async with httpx.AsyncClient(transport=app, base_url="http://destinations", timeout=60) as http:
        mail = {"name": "Mail", "kind": "email", "recipients": ["finops@example.com"]}
        answer = await http.post("/destinations", json=mail, headers=made.admin)
    assert (answer.status_code, "Mail is not set up" in answer.json()["detail"]) == (422, True)


async def test_there_are_no_more_destinations_than_there_may_be_however_many_come_at_once(
    destinations: httpx.AsyncClient, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DESTINATIONS", 3)
    making = [destinations.post("/destinations", json=HOOK, headers=made.admin) for _ in range(5)]
    answers = await asyncio.gather(*making)
    assert {each.status_code for each in answers} <= {201, 409, 503}
    while (answer := await destinations.post("/destinations", json=HOOK, headers=made.admin)).status_code == 201:
        pass
    assert answer.json()["code"] == "destinations_full"
    assert len((await destinations.get("/destinations", headers=made.admin)).json()["destinations"]) == 3


async def test_a_notice_is_stored_once_for_each_destination(
    destinations: httpx.AsyncClient, made: Made, product: Product
) -> None:
    ids = list[str]()
    for name in ("one", "two", "three"):
        answer = await destinations.post("/destinations", json=HOOK | {"name": name}, headers=made.admin)
        ids.append(answer.json()["destination"]["destination_id"])
        product.clock.forward(seconds=1)
    await destinations.patch(f"/destinations/{ids[2]}", json={"active": False}, headers=made.admin)
    services = product.services
    tenant = services.directory.tenant(OrgSlug(made.slug))
    found = await services.destinations.all(tenant)
    assert (chosen(found), chosen(found, [ids[1]]), chosen(found, [ids[2]]), chosen(found, ["gone"])) == (
        ids[:2], ids[1:2], [], ids[:2],
    )  # fmt: skip
    notice = Notice(
        notice_id="digest-1",
        kind="digest",
        title="Costs\nof a week",
        text="9 USD",
        occurred_at=datetime.now().astimezone(),
    )
    assert len(await services.notices.send(tenant, notice)) == 2
    assert await services.notices.send(tenant, notice) == []
    told = await services.notices.deliveries(tenant, "digest-1")
    assert {(each.destination_name, each.state, each.notice.title) for each in told} == {
        ("one", "waiting", "Costs of a week"), ("two", "waiting", "Costs of a week"),
    }  # fmt: skip
    sent = (await destinations.get(f"/destinations/{ids[0]}/deliveries", headers=made.member)).json()["deliveries"]
    assert [(each["notice_id"], each["state"]) for each in sent] == [("digest-1", "waiting")]
