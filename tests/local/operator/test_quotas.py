"""The doctor's look at quotas, over an HTTP server that tells them as Service Usage does."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.diagnosis.quotas import QUOTAS, UNTOLD, Quota, QuotaCheck
from tests.local.operator.conftest import Terminal

ROOT = Path(__file__).parents[3]
REGION = "europe-west3"
Answers = dict[str, Any]


def metric(name: str, *buckets: tuple[str | None, int]) -> dict[str, Any]:
    """A metric with a limit for all regions, or for one, as Service Usage writes it."""
    told = [
        {"effectiveLimit": str(limit), "defaultLimit": "1", **({"dimensions": {"region": region}} if region else {})}
        for region, limit in buckets
    ]
    return {"metric": name, "displayName": name, "consumerQuotaLimits": [{"unit": "1", "quotaBuckets": told}]}


@pytest.fixture
def answers() -> Answers:
    """By service, its metrics, or the status of a refusal; enough of everything."""
    found: Answers = {}
    for quota in QUOTAS:
        found.setdefault(quota.service, []).append(metric(quota.metric, (None, 1_000_000)))
    return found


@pytest.fixture
def check(answers: Answers) -> Iterator[QuotaCheck]:
    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            matched = re.fullmatch(r"/v1beta1/projects/my-project/services/([a-z.]+)/consumerQuotaMetrics", url.path)
            told = answers[matched[1]] if matched else 404
            page = int(parse_qs(url.query).get("pageToken", ["0"])[0])
            # One metric a page.
            body = {} if isinstance(told, int) else {"metrics": told[page : page + 1]}
            if not isinstance(told, int) and page + 1 < len(told):
                body["nextPageToken"] = str(page + 1)
            self.send_response(told if isinstance(told, int) else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with requests.Session() as session:
        yield QuotaCheck("my-project", REGION, session, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def states(check: QuotaCheck) -> dict[str, tuple[str, str]]:
    return {each.subject.removeprefix("quota "): (each.state, each.said) for each in check.findings()}


def test_enough_of_everything_is_no_fault_and_what_nobody_tells_is_unknown(check: QuotaCheck) -> None:
    found = states(check)
    assert {name for name, (state, _) in found.items() if state == "ok"} == {quota.subject for quota in QUOTAS}
    assert {name for name, (state, _) in found.items() if state == "unknown"} == {
        each.subject.removeprefix("quota ") for each in UNTOLD
    }
    assert found["Cloud Run instances"][1] == "1,000 instances of one vCPU at a time, all functions together"


@pytest.mark.parametrize("quota", QUOTAS, ids=lambda quota: quota.subject)
@pytest.mark.parametrize(("more", "state"), [(0, "ok"), (-1, "fault")])
def test_each_quota_is_held_to_the_least_that_is_needed(
    check: QuotaCheck, answers: Answers, quota: Quota, more: int, state: str
) -> None:
    answers[quota.service] = [metric(quota.metric, (None, quota.least + more))]
    found = {each.subject: each for each in check.findings()}[f"quota {quota.subject}"]
    assert found.state == state
    assert ("ask for more" in found.remedy) == (state == "fault")


@pytest.mark.parametrize(
    ("buckets", "state"),
    [
        ([(None, 1), (REGION, 50_000)], "ok"),
        ([(None, 50_000), (REGION, 1)], "fault"),
        ([(None, 50_000), ("us-central1", 1)], "ok"),
        ([(None, -1)], "ok"),
        ([("us-central1", 50_000)], "unknown"),
    ],
    ids=["more here", "less here", "less elsewhere", "no limit", "told of elsewhere alone"],
)
def test_the_region_of_the_functions_counts(
    check: QuotaCheck, answers: Answers, buckets: list[tuple[str | None, int]], state: str
) -> None:
    answers["run.googleapis.com"] = [
        metric("run.googleapis.com/other", (None, 1)),
        metric("run.googleapis.com/cpu_allocation", *buckets),
    ]
    assert states(check)["Cloud Run instances"][0] == state


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (403, "this account may not see it"),
        (401, "this account may not see it"),
        (500, "Service Usage answered with 500"),
        ([], "Google does not tell cloudkms.googleapis.com/crypto_requests of this project"),
    ],
)
def test_what_cannot_be_read_is_said_and_hides_nothing_else(
    check: QuotaCheck, answers: Answers, told: Any, said: str
) -> None:
    answers["cloudkms.googleapis.com"] = told
    found = states(check)
    assert found["KMS requests"] == ("unknown", said)
    assert found["Cloud Run instances"][0] == "ok"


def test_the_doctor_says_that_an_emulator_has_none(terminal: Terminal) -> None:
    terminal.run("doctor", "--json")
    found = [json.loads(line) for line in terminal.out.splitlines()]
    assert [each["said"] for each in found if each["subject"] == "quotas"] == ["an emulator has none"]


@pytest.fixture
def listed() -> str:
    text = (ROOT / "terraform" / "README.md").read_text("utf-8")
    return text.partition("## Quotas to ask for")[2].partition("\n## ")[0]


def test_every_quota_of_the_readme_is_read_or_said_to_be_unreadable(listed: str) -> None:
    rows = [line for line in listed.splitlines() if line.startswith("| ")][1:]
    metrics = {name for row in rows for name in re.findall(r"`([a-z]+\.googleapis\.com/[\w/-]+)`", row)}
    assert metrics == {quota.metric for quota in QUOTAS}
    assert sum("cannot be read" in row for row in rows) == len(UNTOLD)
    assert len(rows) == len(QUOTAS) + len(UNTOLD)
