"""make run with a FOCUS file, and make ask: what a person in a terminal sees."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import ROOT, Product, free_port, wait_until_ready
from tests.days import lasting_day

FOCUS = """\
BilledCost,BillingAccountId,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargePeriodEnd,\
ChargePeriodStart,EffectiveCost,ListCost,ContractedCost,ProviderName,PublisherName,InvoiceIssuerName,ServiceCategory,ServiceName
10.10,1,USD,2024-10-01,2024-09-01,Usage,2024-09-02 00:00:00,2024-09-01 00:00:00,9.00,10.10,10.10,AWS,AWS,AWS,Compute,EC2
0.000000001,1,USD,2024-10-01,2024-09-01,Usage,2024-10-01T00:00:00Z,2024-09-30T23:00:00Z,0.000000001,1,1,AWS,AWS,AWS,Storage,S3
5.25,1,USD,2024-11-01,2024-10-01,Usage,2024-10-02,2024-10-01,5.25,5.25,5.25,AWS,AWS,AWS,Compute,EC2
"""


def ask(product: Product, question: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    port = product.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "local", "ask", "--port", port, *arguments, "--", question]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_ask_prints_the_answer_then_the_sql_and_the_bytes_behind_it(product: Product) -> None:
    result = ask(product, "What did we spend per provider last month?", "--work")
    assert result.returncode == 0, result.stderr
    answer, _, work = result.stdout.partition("query_costs: ")
    assert "OpenAI" in answer
    assert "rows" in work
    assert "bytes" in work
    assert "cost_data_standard_1_3" in work
    assert "@start" in work


def test_ask_asks_as_the_organisation_it_is_told(product: Product) -> None:
    result = ask(product, "What did we spend last month?", "--org", "globex_inc", "--work")
    assert result.returncode == 0
    assert "EUR" in result.stdout
    assert "globex_inc_prod" in result.stdout


@pytest.mark.parametrize(("question", "arguments"), [("", ()), ("hello", ("--org", "nobody"))])
def test_ask_says_what_is_missing(product: Product, question: str, arguments: tuple[str, ...]) -> None:
    result = ask(product, question, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.strip()


def test_ask_says_why_there_is_no_answer(product: Product) -> None:
    result = ask(product, "and only AWS?", "--conversation", "nope")
    assert result.returncode == 1
    assert result.stdout.strip() == ""
    assert "no such conversation" in result.stderr


def test_lines_from_a_file_are_a_conversation(product: Product) -> None:
    port = product.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "local", "chat", "--port", port, "--user", "lines"]
    lines = "What did we spend per provider last month?\nand only AWS?\n/list\n"
    last = lasting_day().replace(day=1) - timedelta(days=1)
    result = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, check=False, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"1*\tWhat did we spend per provider last month? · {last:%b %Y}\t4\t" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_wrong_use_of_a_command_is_told_apart_from_a_failure(product: Product) -> None:
    for arguments in (["ask"], ["chat", "--org", "nobody"], ["ask", "--nonsense", "hi"]):
        command = [sys.executable, "-m", "local", *arguments]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.strip()


@pytest.fixture
def focus_file(tmp_path: Path) -> Path:
    path = tmp_path / "bill.csv"
    path.write_text(FOCUS, encoding="utf-8")
    return path


def test_a_focus_file_is_loaded_and_asked_about(product: Product, focus_file: Path) -> None:
    port = free_port()
    environment = os.environ | product.cloud.environment | {"ENVIRONMENT": "local"}
    command = [sys.executable, "-m", "local", "run", "--port", str(port), "--focus", str(focus_file)]
    log = focus_file.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            response = httpx.post(
                f"http://127.0.0.1:{port}/api/v1/chat/focus_inc/send",
                json={"message": "Top 3 services by cost in September 2024"},
                headers={"X-Org-Slug": "focus_inc", "X-API-Key": "demo-focus-key"},
                timeout=60,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)
    text = response.json()["response"]
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in focus_file.read_text().splitlines()[1:3]:
        sums[line.split(",")[-1]] += Decimal(line.split(",")[0])
    assert f"EC2 | USD {sums['EC2']:.2f}" in text
    assert f"{sums['S3']:f}" in text
    assert "15.35" not in text


def test_a_focus_file_that_cannot_be_read_is_named_by_row_and_column(product: Product, focus_file: Path) -> None:
    focus_file.write_text(focus_file.read_text().replace("10.10,1,USD", "ten,1,USD"))
    command = [sys.executable, "-m", "local", "run", "--port", str(free_port()), "--focus", str(focus_file)]
    environment = os.environ | product.cloud.environment | {"ENVIRONMENT": "local"}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 2
    assert "BilledCost" in result.stdout
    assert "row 2" in result.stdout.lower()


def test_a_taken_port_is_said_at_once(product: Product) -> None:
    port = product.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "local", "run", "--port", port]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert f"Port {port} is taken" in result.stdout
