"""Deliveries to receivers on this machine: what each kind is sent, and what is done with each answer."""

import asyncio
import json
import socket
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from common import egress
from common.errors import ServiceError, Unavailable
from local.emulators.tasks import TasksEmulator
from tests.delivery.conftest import Mailing, Post
from tests.delivery.receiver import Receiver

LINK = "http://127.0.0.1:8002/?org={slug}&alert=alert-1"


async def test_a_webhook_is_signed_as_standard_webhooks_says_and_is_sent_once(post: Post, receiver: Receiver) -> None:
    destination_id, secret = await post.make(kind="webhook", url=receiver.url)
    assert secret is not None
    (delivery_id,) = await post.notify()
    assert await post.deliver(delivery_id) == {"state": "delivered", "error": None}
    (got,) = receiver.got
    told = Webhook(secret).verify(got.body, got.headers)
    assert (told["type"], told["data"]["details"]) == ("digest.made", {"value": 1200})
    assert told["data"]["link"] == LINK.format(slug=post.made.slug)
    assert got.headers["webhook-id"] == f"msg_{delivery_id}"
    assert (await post.told())[0].delivered_at is not None
    assert post.due() == []
    # Another task of it, or the same notice again: it is not sent again.
    assert (await post.deliver(delivery_id))["state"] == "delivered"
    assert await post.notify() == []
    assert len(receiver.got) == 1
    rotated = await post.http.post(f"/destinations/{destination_id}/secret", headers=post.made.admin)
    (second,) = await post.notify("alert-2")
    await post.deliver(second)
    for each in (secret, rotated.json()["secret"]):
        Webhook(each).verify(receiver.got[1].body, receiver.got[1].headers)
    post.product.clock.forward(hours=25)
    (third,) = await post.notify("alert-3")
    await post.deliver(third)
    assert receiver.got[2].headers["webhook-signature"].count("v1,") == 1


async def test_slack_teams_and_mail_show_a_notice_as_plain_text_with_its_link(
    post: Post, receiver: Receiver, relay: Mailing
) -> None:
    await post.make(kind="slack", url=receiver.url)
    post.product.clock.forward(seconds=1)
    await post.make(kind="teams", url=receiver.url)
    post.product.clock.forward(seconds=1)
    await post.make(kind="email", recipients=["finops@example.com", "cfo@example.com"])
    for delivery_id in await post.notify():
        assert (await post.deliver(delivery_id))["state"] == "delivered"
    slack, teams = (json.loads(each.body) for each in receiver.got)
    texts = [each["text"] for each in slack["blocks"] if each["type"] in ("header", "section") and "text" in each]
    assert {each["type"] for each in texts} == {"plain_text"}
    assert "<!channel>" not in slack["text"]
    assert slack["blocks"][-1]["elements"][0]["url"] == LINK.format(slug=post.made.slug)
    card = teams["attachments"][0]["content"]
    assert (card["type"], card["actions"][0]["url"]) == ("AdaptiveCard", LINK.format(slug=post.made.slug))
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}
    (mail,) = relay.postman.mails
    assert mail["Subject"] == "AWS <!channel> [x](http://evil.example)"
    assert (mail["To"], mail["From"]) == ("finops@example.com, cfo@example.com", "alerts@cloudcost.example")
    body = mail.get_payload(decode=True).decode()
    for said in ("It fired.", "Figure: 1,200 USD", "alert=alert-1"):
        assert said in body


@pytest.mark.parametrize(
    ("status", "headers", "error", "minutes"),
    [
        (500, {}, "http_500", 1), (404, {}, "http_404", 1), (302, {"Location": "http://127.0.0.1:1/"}, "redirect", 1),
        (429, {"Retry-After": "7200"}, "http_429", 120), (503, {"Retry-After": "soon"}, "http_503", 1),
        (429, {"Retry-After": "99999999"}, "http_429", 720),
    ],
)  # fmt: skip
async def test_a_receiver_that_does_not_take_it_is_tried_again(
    post: Post, receiver: Receiver, status: int, headers: dict[str, str], error: str, minutes: int
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()
    receiver.status, receiver.headers = status, headers
    assert await post.deliver(delivery_id) == {"state": "waiting", "error": error}
    (told,), (due,) = await post.told(), post.due()
    assert told.next_at == due["due_at"] == post.product.clock() + timedelta(minutes=minutes)
    # A task that comes too early does nothing.
    assert (await post.deliver(delivery_id))["state"] == "waiting"
    assert len(receiver.got) == 1
    post.product.clock.forward(minutes=minutes)
    receiver.status, receiver.headers = 202, {}
    assert await post.deliver(delivery_id) == {"state": "delivered", "error": None}
    assert {each.headers["webhook-id"] for each in receiver.got} == {f"msg_{delivery_id}"}


async def test_after_eight_tries_within_a_day_a_delivery_is_dead_and_readiness_says_so(
    post: Post, receiver: Receiver
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()
    receiver.status, began = 500, post.product.clock()
    while (await post.deliver(delivery_id))["state"] == "waiting":
        (due,) = post.due()
        post.product.clock.now = due["due_at"]
    assert len(receiver.got) == 8
    assert timedelta(hours=20) < post.product.clock() - began < timedelta(hours=24)
    (told,) = await post.told()
    assert (told.state, told.attempts, told.error) == ("failed", 8, "http_500")
    assert post.due() == []
    measured = (await post.product.services.readiness.report())["checks"]["deliveries"]
    assert measured["dead"] >= 1
    assert post.product.logged("delivery.dead")[0]["code"] == "http_500"


async def test_a_receiver_that_always_asks_to_wait_is_not_waited_for_longer_than_a_day(
    post: Post, receiver: Receiver
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()
    # The first names no moment that there is; it is no reason to try without end.
    answers = ["1 Jan 99999999999999999999 00:00:00 GMT", *["Fri, 31 Dec 9999 23:59:59 GMT"] * 9]
    receiver.status, began = 429, post.product.clock()
    for answer in answers:
        receiver.headers = {"Retry-After": answer}
        if (await post.deliver(delivery_id))["state"] != "waiting":
            break
        (due,) = post.due()
        post.product.clock.now = due["due_at"]
    (told,) = await post.told()
    assert (told.state, told.error, len(receiver.got)) == ("failed", "http_429", 3)
    assert post.product.clock() - began < timedelta(hours=24)


async def test_what_cannot_be_sent_at_all_is_tried_no_more_often(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()

    async def unforeseen(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"a text with {receiver.url}")

    monkeypatch.setattr(egress, "post", unforeseen)
    while (await post.deliver(delivery_id))["state"] == "waiting":
        (due,) = post.due()
        post.product.clock.now = due["due_at"]
    (told,) = await post.told()
    assert (told.state, told.attempts, told.error) == ("failed", 8, "not_sent")
    (logged, *_) = post.product.logged("delivery.failed")
    assert logged["error_class"] == "RuntimeError"
    assert "secret-path" not in json.dumps(logged)


async def test_a_receiver_that_is_gone_is_switched_off(post: Post, receiver: Receiver) -> None:
    destination_id, _ = await post.make(kind="slack", url=receiver.url)
    first, second = [(await post.notify(name))[0] for name in ("alert-1", "alert-2")]
    receiver.status = 410
    assert await post.deliver(first) == {"state": "failed", "error": "gone"}
    assert await post.deliver(second) == {"state": "failed", "error": "destination_off"}
    assert len(receiver.got) == 1
    shown = (await post.http.get(f"/destinations/{destination_id}", headers=post.made.member)).json()
    assert (shown["active"], shown["off_reason"]) == (False, "gone")
    assert await post.notify("alert-3") == []


async def test_a_receiver_without_an_end_is_not_waited_for(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    receiver.endless = True
    (delivery_id,) = await post.notify()
    assert (await post.deliver(delivery_id))["state"] == "delivered"
    monkeypatch.setattr(egress, "POST_SECONDS", 0.3)
    receiver.answering.clear()
    (delivery_id,) = await post.notify("alert-2")
    assert await post.deliver(delivery_id) == {"state": "waiting", "error": "timeout"}


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_leads_inside_reaches_nothing(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    await post.make(kind="webhook", url="https://hooks.example.com/x")
    (delivery_id,) = await post.notify()

    async def resolve(*_: Any, **__: Any) -> list[Any]:
        at = (receiver.server.server_port,)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, *at)) for each in answers]

    loop = asyncio.get_running_loop()
    asked = loop.getaddrinfo

    async def lookup(host: Any, *given: Any, **named: Any) -> Any:
        return await (resolve() if host == "hooks.example.com" else asked(host, *given, **named))

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    assert await post.deliver(delivery_id) == {"state": "waiting", "error": "not_reached"}
    assert receiver.got == []


async def test_this_machine_is_not_reached_unless_the_settings_allow_it(post: Post, receiver: Receiver) -> None:
    destination_id, _ = await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()
    deployed = post.product.services.settings.model_copy(update={"local_destinations": False})
    sender = post.product.services.sender
    object.__setattr__(sender, "settings", deployed)
    assert await post.deliver(delivery_id) == {"state": "failed", "error": "address_refused"}
    tried = (await post.http.post(f"/destinations/{destination_id}/test", headers=post.made.admin)).json()
    assert (tried["state"], tried["error"]) == ("failed", "address_refused")
    assert receiver.got == []


async def test_a_mail_that_some_are_refused_is_not_sent_to_the_others_again(post: Post, relay: Mailing) -> None:
    await post.make(kind="email", recipients=["a@example.com", "b@example.com"])
    relay.postman.refused = {"b@example.com"}
    (delivery_id,) = await post.notify()
    assert await post.deliver(delivery_id) == {"state": "delivered", "error": "some_recipients_refused"}
    relay.postman.refused = {"a@example.com", "b@example.com"}
    (delivery_id,) = await post.notify("alert-2")
    assert await post.deliver(delivery_id) == {"state": "waiting", "error": "recipients_refused"}
    assert len(relay.postman.mails) == 1


async def test_a_test_says_what_became_of_it(post: Post, receiver: Receiver) -> None:
    destination_id, secret = await post.make(kind="webhook", url=receiver.url)
    path = f"/destinations/{destination_id}/test"
    assert secret is not None
    assert (await post.http.post(path, headers=post.made.admin)).json() == {
        "state": "delivered", "error": None, "detail": None,
    }  # fmt: skip
    assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["type"] == "destination.tested"
    receiver.status = 500
    told = (await post.http.post(path, headers=post.made.admin)).json()
    assert told == {"state": "failed", "error": "http_500", "detail": "The receiver answered with 500."}
    assert (await post.http.post(path, headers=post.made.member)).json()["code"] == "scope_missing"


async def test_two_at_once_send_one_and_the_other_comes_back(post: Post, receiver: Receiver) -> None:
    await post.make(kind="webhook", url=receiver.url)
    (delivery_id,) = await post.notify()
    tried = await asyncio.gather(*(post.deliver(delivery_id) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, dict) and each["state"] == "delivered" for each in tried) >= 1
    assert {type(each) for each in tried} <= {dict, Unavailable}
    assert len(receiver.got) == 1


async def test_what_is_due_is_queued_once_by_however_many_schedulers(
    post: Post, receiver: Receiver, tasks: TasksEmulator
) -> None:
    await post.make(kind="webhook", url=receiver.url)
    ids = [(await post.notify(f"alert-{number}"))[0] for number in range(5)]
    post.product.clock.forward(seconds=1)
    rounds = await asyncio.gather(*(post.product.services.deliveries.enqueue() for _ in range(3)))
    mine = [name for name in tasks.queues.tasks if post.made.slug in name]
    assert {name.rpartition("/")[2] for name in mine} == {f"{post.made.slug}-{each}-1-0" for each in ids}
    assert sum(each["queued"] for each in rounds) >= 5
    # A task that was lost is queued anew after a while, by another name.
    assert (await post.product.services.deliveries.enqueue())["queued"] == 0
    post.product.clock.forward(minutes=11)
    await post.product.services.deliveries.enqueue()
    assert sum(name.endswith("-1-1") and post.made.slug in name for name in tasks.queues.tasks) == 5


async def test_a_queue_that_does_not_answer_loses_nothing(post: Post, receiver: Receiver, tasks: TasksEmulator) -> None:
    await post.make(kind="webhook", url=receiver.url)
    await post.notify()
    post.product.clock.forward(seconds=1)
    tasks.stop()
    with pytest.raises(ServiceError):
        await post.product.services.deliveries.enqueue()
    assert [each["again"] for each in post.due()] == [0]


async def test_another_organisations_deliveries_are_not_shown(post: Post, receiver: Receiver) -> None:
    destination_id, _ = await post.make(kind="webhook", url=receiver.url)
    other = post.made.rows.make()
    answer = await post.http.get(f"/destinations/{destination_id}/deliveries", headers=other.admin)
    assert answer.status_code == 404
    answer = await post.http.post(f"/destinations/{destination_id}/test", headers=other.admin)
    assert (answer.status_code, receiver.got) == (404, [])
