"""Firestore's failures: those that pass are asked again, the others are told apart from a precondition."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from common import documents
from common.documents import Count, Create, DocumentConflict, Documents, Patch, Put, Where
from common.errors import DocumentsUnavailable
from local.emulators.rpc import SeamsClient
from tests.conftest import PROJECT, Cloud

PASSING = ("ABORTED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
ASKED: dict[str, Callable[[Documents, str], Awaitable[object]]] = {
    "BatchGetDocuments": lambda store, path: store.get_all([f"{path}/kept"]),
    "RunQuery": lambda store, path: store.query(path, where=[Where("a", "==", 1)], limit=5),
    "RunAggregationQuery": lambda store, path: store.count(path),
    "Commit": lambda store, path: store.commit([Put(f"{path}/new", {"a": 1})]),
}


@pytest.fixture
def seams(cloud: Cloud) -> Iterator[SeamsClient]:
    client = SeamsClient(cloud.environment["FIRESTORE_EMULATOR_HOST"])
    yield client
    client.reset()
    client.close()


@pytest.fixture
async def store(cloud: Cloud, path: str) -> AsyncIterator[Documents]:
    store = Documents(PROJECT)
    await store.commit([Put(f"{path}/kept", {"a": 1})])
    yield store
    await store.close()


@pytest.fixture
def path() -> str:
    return f"tests_of_documents/{uuid.uuid4().hex}/parts"


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("method", ASKED)
async def test_a_failure_that_passes_is_asked_again(
    store: Documents, seams: SeamsClient, path: str, method: str, code: str
) -> None:
    expected = await ASKED[method](store, path) if method != "Commit" else None
    seams.reset()
    seams.fail(method, code, times=2)
    answer = await ASKED[method](store, path)
    assert seams.calls()[method] == 3
    assert (
        (await store.get_all([f"{path}/new"]))[f"{path}/new"]
        if method == "Commit"
        else _plain(answer) == _plain(expected)
    )


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("method", ASKED)
async def test_a_failure_that_lasts_is_no_answer_and_no_conflict(
    store: Documents, seams: SeamsClient, path: str, method: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "DOCUMENTS_SECONDS", 0.5)
    seams.reset()
    seams.fail(method, code, times=1_000)
    with pytest.raises(DocumentsUnavailable):
        await ASKED[method](store, path)
    # How often depends on the machine; that it is asked again, the test above says.
    assert seams.calls()[method] >= 1


@pytest.mark.parametrize("method", ASKED)
async def test_a_failure_of_another_kind_is_not_asked_again(
    store: Documents, seams: SeamsClient, path: str, method: str
) -> None:
    seams.reset()
    seams.fail(method, "PERMISSION_DENIED")
    with pytest.raises(DocumentsUnavailable):
        await ASKED[method](store, path)
    assert seams.calls()[method] == 1


async def test_a_precondition_that_does_not_hold_is_said_at_once(
    store: Documents, seams: SeamsClient, path: str
) -> None:
    kept = (await store.get_all([f"{path}/kept"]))[f"{path}/kept"]
    assert kept is not None
    await store.commit([Put(f"{path}/kept", {"a": 2})])
    seams.reset()
    for write in (
        Create(f"{path}/kept", {"a": 3}),
        Patch(f"{path}/kept", {"a": 3}, kept.updated_at),
        Patch(f"{path}/missing", {"a": 3}),
    ):
        with pytest.raises(DocumentConflict):
            await store.commit([write])
    assert seams.calls()["Commit"] == 3


async def test_an_addition_that_was_aborted_counts_once(store: Documents, seams: SeamsClient, path: str) -> None:
    seams.fail("Commit", "ABORTED", times=2)
    count = Count(f"{path}/counter", 5, {})
    await store.commit([count])
    assert count.total == 5


def _plain(answer: object) -> object:
    """An answer without the moment at which it was read."""
    if isinstance(answer, dict):
        return {name: _plain(each) for name, each in answer.items()}
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    return (answer.path, answer.data) if isinstance(answer, documents.Document) else answer


async def test_all_that_is_below_a_document_is_found_at_any_depth(store: Documents, path: str) -> None:
    top = path.rsplit("/", 1)[0]
    # The documents between are missing, as those that have expired.
    below = [f"{path}/kept", f"{top}/other/missing/deep/one", f"{top}/other/missing/deep/one/deeper/two"]
    beside = f"{top}-beside/parts/one"
    await store.commit([Put(each, {"a": 1}) for each in (*below[1:], beside, top)])
    assert sorted(await store.below(top, 10)) == sorted(below)
    assert len(await store.below(top, 2)) == 2
    assert await store.below(f"{top}/other/missing", 10) == below[1:]
    assert await store.below(below[0], 10) == []
