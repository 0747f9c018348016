"""Changes that are cut short, made at the same time, or made under load: one row and one key serve whatever happens."""

import asyncio
from typing import Any

import pytest

from common.errors import KeyInvalid, WarehouseUnavailable
from common.models.completion import ModelCall, Reply
from common.organizations import settings_sql
from common.organizations.settings_store import SettingsStore
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product
from tests.organizations.test_change import KEY, OTHER_KEY, set_up

CUT_AT = ["ADD_CREDENTIAL_SQL", "REPLACE_SETTINGS_SQL", "RETIRE_OF_PROVIDER_SQL"]


@pytest.mark.parametrize("cut", CUT_AT)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_cut_short_leaves_one_that_serves_and_the_next_repairs_it(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch, cut: str, when: str
) -> None:
    await set_up(product, made)
    run = SettingsStore._run

    async def cut_short(store: SettingsStore, tenant: Any, text: str, values: Any) -> Any:
        if text != getattr(settings_sql, cut):
            return await run(store, tenant, text, values)
        if when == "after":
            await run(store, tenant, text, values)
        raise WarehouseUnavailable

    monkeypatch.setattr(SettingsStore, "_run", cut_short)
    assert (await product.put(made, key=OTHER_KEY)).json()["code"] == "warehouse_unavailable"
    monkeypatch.undo()
    (settings,) = made.settings()
    assert settings["credential_id"] in {row["credential_id"] for row in made.credentials()}
    assert (await product.send(made.member)).status_code == 200
    replaced = CUT_AT.index(cut) + (when == "after") > 1
    assert product.model.keys[-1] == (OTHER_KEY if replaced else KEY)
    third = "sk-third-0123456789"
    product.rows.age(made)
    assert (await product.put(made, key=third)).status_code == 200
    assert len(made.settings()) == len(made.credentials()) == 1
    await product.send(made.member)
    assert product.model.keys[-1] == third


async def test_changes_at_the_same_time_leave_one_that_serves(product: Product, made: Made) -> None:
    await set_up(product, made)
    keys = [f"sk-concurrent-{number}-0123456789" for number in range(4)]
    answers = await asyncio.gather(*(product.put(made, key=key) for key in keys))
    assert [answer.status_code for answer in answers] == [200] * 4
    (settings,) = made.settings()
    assert [row["credential_id"] for row in made.credentials()] == [settings["credential_id"]]
    copy = product.copy(made)
    assert copy["settings"]["credential_id"] == copy["credential"]["credential_id"] == settings["credential_id"]
    assert (await product.send(made.member)).status_code == 200


class Provider(ScriptedModel):
    """A provider that accepts some keys, and remembers what it refused."""

    def __init__(self, accepted: set[str]) -> None:
        super().__init__([self._answer])
        self.accepted = accepted
        self.refused: list[str] = []

    def _answer(self, call: ModelCall) -> Reply:
        key = call.key.reveal()
        if key not in self.accepted:
            self.refused.append(key)
            raise KeyInvalid
        return say("OK")


async def test_rotating_under_load_fails_only_turns_whose_key_was_sent_and_refused(
    serving: Serving, made: Made
) -> None:
    model = Provider({KEY})
    product: Product = await serving(model)
    await set_up(product, made)
    keys = [KEY, *(f"sk-rotation-{number}-0123456789" for number in range(3))]
    outcomes: list[tuple[int, int, int, str]] = []
    newest = 0
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            begun = newest
            response = await product.send(made.member)
            outcomes.append((begun, newest, response.status_code, response.json().get("code", "")))

    askers = [asyncio.create_task(ask()) for _ in range(4)]
    for number in range(1, len(keys)):
        enough = len(outcomes) + 10
        while len(outcomes) < enough:  # noqa: ASYNC110  other tasks' progress
            await asyncio.sleep(0.01)
        model.accepted.add(keys[number])
        assert (await product.put(made, key=keys[number])).status_code == 200
        newest = number
        # Now the organisation revokes the old key at its provider.
        model.accepted.discard(keys[number - 1])
    enough = len(outcomes) + 10
    while len(outcomes) < enough:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*askers)
    failed = [outcome for outcome in outcomes if outcome[2] != 200]
    assert {code for *_, code in failed} <= {"key_invalid"}
    assert len(failed) == len(model.refused)
    assert all(begun < ended for begun, ended, *_ in failed), "a turn that began after the rotation used the old key"
    assert len(outcomes) >= 40
