"""``python -m local usage``: what the chat used in a month, as a table, as JSON and as the statement's CSV."""

import csv
import io
import json

from tests.clients.conftest import Product, Serving
from tests.clients.terminal import output_of
from tests.fakes.scripted_model import ScriptedModel, say


async def usage_of(product: Product, *arguments: str) -> tuple[int, str, str]:
    return await output_of("usage", "--port", product.url.rsplit(":", 1)[1], *arguments)


async def test_the_usage_of_this_month_is_printed_in_each_form(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("Hello.")]))
    port = product.url.rsplit(":", 1)[1]
    code, _, errors = await output_of("ask", "--port", port, "--user", "frugal", "--", "Hello")
    assert code == 0, errors
    await product.recorded()
    code, out, errors = await usage_of(product, "--user", "frugal", "--by", "user", "--json")
    assert code == 0, errors
    body = json.loads(out)
    (mine,) = [row for row in body["rows"] if row["user_id"] == "frugal"]
    assert (body["by"], mine["turns"], mine["total_tokens"]) == ("user", 1, 15)
    code, out, _ = await usage_of(product, "--user", "frugal", "--by", "channel")
    assert code == 0
    table = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert {"stream", "all"} <= {line[0] for line in table}
    code, out, _ = await usage_of(product, "--user", "frugal", "--month", body["month"], "--csv")
    assert code == 0
    lines = list(csv.DictReader(io.StringIO(out)))
    assert {line["month"] for line in lines} == {body["month"]}
    assert sum(int(line["total_tokens"]) for line in lines) == body["totals"]["total_tokens"]


async def test_what_cannot_be_shown_is_refused_with_a_sentence(serving: Serving) -> None:
    product: Product = await serving()
    code, out, errors = await usage_of(product, "--month", "2026-13")
    assert (code, out) == (1, "")
    assert "write a month as 2026-11" in errors
    code, out, errors = await usage_of(product, "--org", "nobody")
    assert (code, out) == (2, "")
    assert "nobody" in errors
