"""Ten thousand conversations, five thousand messages: a page costs the same wherever it is."""

from datetime import UTC, datetime, timedelta

from common import limits
from common.documents import Put, Write
from common.tenant import Tenant
from common.transcript.conversation import Conversation
from common.transcript.message import Message, Role
from common.transcript.paths import conversation_path, message_path
from tests.conversations.conftest import Product, Row

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CONVERSATIONS = 10_000
RECORDED = 1_000
MESSAGES = 5_000


def tenant_of(product: Product) -> Tenant:
    return product.services.directory.tenant("acme_inc")  # type: ignore[arg-type]


def conversation(product: Product, number: int, messages: int = 0) -> Conversation:
    at = BEGAN + timedelta(seconds=number // 3)  # Three at the same moment, as imports make them.
    conversation_id = f"{product.user}-{number:05d}"
    return Conversation(
        conversation_id, product.user, f"title {number}", "demo", "analyst-1", at, at, message_count=messages
    )


def message(number: int) -> Message:
    role: Role = "user" if number % 2 == 0 else "assistant"
    return Message(f"m{number:05d}", role, f"text {number}", BEGAN + timedelta(seconds=number), sequence=number)


async def put(product: Product, writes: list[Write]) -> None:
    for start in range(0, len(writes), 500):
        await product.services.documents.commit(writes[start : start + 500])


async def merge(product: Product, table: str, rows: list[Row]) -> None:
    writer = product.services.sync._writer
    for start in range(0, len(rows), 500):
        await writer.merge(table, [(tenant_of(product).org_slug, row) for row in rows[start : start + 500]])
    # These rows are older than whatever other tests have put there.
    await product.services.record_start.measured(tenant_of(product))


async def pages(product: Product, path: str, key: str) -> list[list[Row]]:
    """All pages of a list, of the greatest size."""
    found, parameters = [], {"limit": str(limits.PAGE_MAX)}
    while True:
        page = await product.get(path, **parameters)
        found.append(page[key])
        if "next_cursor" not in page:
            return found
        parameters["cursor"] = page["next_cursor"]


async def test_ten_thousand_conversations_are_listed_with_one_query_a_page(product: Product) -> None:
    tenant = tenant_of(product)
    made = [conversation(product, number) for number in range(CONVERSATIONS)]
    await put(product, [Put(conversation_path(tenant, one.conversation_id), one.document()) for one in made])
    await product.get("/conversations", limit=1)
    product.firestore.reset()
    listed = await pages(product, "/conversations", "conversations")
    assert product.firestore.calls() == {"BatchGetDocuments": len(listed), "RunQuery": len(listed)}
    assert [len(page) for page in listed] == [limits.PAGE_MAX] * (CONVERSATIONS // limits.PAGE_MAX)
    ids = [one["conversation_id"] for page in listed for one in page]
    assert ids == [one.conversation_id for one in reversed(made)]


async def test_a_cold_list_of_a_thousand_is_warmed_part_by_part(product: Product) -> None:
    made = [conversation(product, number) for number in range(RECORDED)]
    await merge(product, "org_chat_conversations", [one.row(tenant_of(product)) for one in made])
    cold = await pages(product, "/conversations", "conversations")
    ids = [one["conversation_id"] for page in cold for one in page]
    assert ids == [one.conversation_id for one in reversed(made)]
    product.firestore.reset()
    assert await pages(product, "/conversations", "conversations") == cold
    assert product.firestore.calls() == {"BatchGetDocuments": len(cold), "RunQuery": len(cold)}


async def test_five_thousand_messages_are_paged_with_one_query_each(product: Product) -> None:
    tenant = tenant_of(product)
    one = conversation(product, 0, MESSAGES)
    messages = [message(number) for number in range(MESSAGES)]
    paths = [message_path(tenant, one.conversation_id, each.message_id) for each in messages]
    writes: list[Write] = [Put(conversation_path(tenant, one.conversation_id), one.document())]
    await put(product, writes + [Put(path, each.document()) for path, each in zip(paths, messages, strict=True)])
    address = f"/conversations/{one.conversation_id}/messages"
    product.firestore.reset()
    warm = await pages(product, address, "messages")
    assert product.firestore.calls() == {"BatchGetDocuments": len(warm), "RunQuery": len(warm)}
    assert [each["content"] for page in warm for each in page] == [f"text {number}" for number in range(MESSAGES)]
    assert len(warm) == MESSAGES // limits.PAGE_MAX


async def test_five_thousand_messages_of_the_record_are_paged_and_then_warm(product: Product) -> None:
    tenant = tenant_of(product)
    one = conversation(product, 0, MESSAGES)
    rows = [message(number).row(tenant, one.conversation_id) for number in range(MESSAGES)]
    await merge(product, "org_chat_messages", rows)
    await merge(product, "org_chat_conversations", [one.row(tenant)])
    address = f"/conversations/{one.conversation_id}/messages"
    cold = await pages(product, address, "messages")
    assert [each["content"] for page in cold for each in page] == [f"text {number}" for number in range(MESSAGES)]
    product.firestore.reset()
    assert (await product.get(address, limit=limits.PAGE_MAX))["messages"] == cold[0]
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "RunQuery": 1}


async def test_a_search_among_thousands_is_bounded_and_says_that_it_was_cut(product: Product) -> None:
    tenant = tenant_of(product)
    one = conversation(product, 0, MESSAGES)
    rows = [message(number).row(tenant, one.conversation_id) for number in range(MESSAGES)]
    await merge(product, "org_chat_messages", rows)
    await merge(product, "org_chat_conversations", [one.row(tenant)])
    product.firestore.reset()
    body = await product.get("/messages/search", q="TEXT 4", limit=limits.SEARCH_MAX)
    assert (len(body["results"]), body["cut"]) == (limits.SEARCH_MAX, True)
    newest = [f"text {number}" for number in range(4999, 4999 - limits.SEARCH_MAX, -1)]
    assert [hit["content"] for hit in body["results"]] == newest
    assert product.firestore.calls() == {"BatchGetDocuments": 2, "RunQuery": 1}
