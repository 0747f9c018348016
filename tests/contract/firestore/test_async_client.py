"""The asyncio client works like the other."""

import asyncio
import random

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter


async def test_documents_batches_and_queries_work(async_client: firestore.AsyncClient, place: str) -> None:
    collection = async_client.document(place).collection("c")
    batch = async_client.batch()
    for number in range(10):
        batch.set(collection.document(f"d{number}"), {"i": number})
    await batch.commit()
    assert (await collection.document("d3").get()).to_dict() == {"i": 3}
    query = collection.where(filter=FieldFilter("i", ">=", 4)).order_by("i").limit(2)
    assert [one.id async for one in query.stream()] == ["d4", "d5"]
    references = [collection.document("d1"), collection.document("none")]
    assert {one.id: one.exists async for one in async_client.get_all(references)} == {"d1": True, "none": False}
    assert (await collection.count().get())[0][0].value == 10


async def test_concurrent_transactions_lose_no_increment(async_client: firestore.AsyncClient, place: str) -> None:
    reference = async_client.document(place)
    await reference.set({"v": 0})

    @firestore.async_transactional
    async def add_one(transaction: firestore.AsyncTransaction) -> None:
        # Two that try again in step, as on a machine with nothing else to do, would be in each other's way for ever.
        await asyncio.sleep(random.uniform(0, 0.5))
        value = (await reference.get(transaction=transaction)).get("v")
        transaction.update(reference, {"v": value + 1})

    await asyncio.gather(*(add_one(async_client.transaction(max_attempts=30)) for _ in range(2)))
    assert (await reference.get()).get("v") == 2


async def test_recursive_delete_works(async_client: firestore.AsyncClient, place: str) -> None:
    root = async_client.document(place)
    for number in range(5):
        await root.collection("c").document(str(number)).collection("d").document("1").set({})
    assert await async_client.recursive_delete(root.collection("c")) == 5
    assert [one.id async for one in root.collections()] == []
