"""SIGKILL at random moments of an answer: the retry repeats no kept call, answers once, and stores once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from common.transcript.ids import answer_id_for
from tests.bench.served import ROOT
from tests.fakes.scripted_model import ScriptedModel, say
from tests.turn.conftest import Product, Serving

# Three calls of each specialist, the two consultations, and two of the agent that asks.
CALLS = 10


class Attempts:
    """The process that makes attempts, one at a time."""

    def __init__(self, child: "subprocess.Popen[str]", folder: Path, request: dict[str, Any]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._in: IO[str] = child.stdin
        self._out: IO[str] = child.stdout
        self._folder = folder
        self.request = request
        self._count = 0

    def make(self, kill_after: float | None = None) -> list[Any]:
        """Make one attempt, which is killed so many seconds after its first call or in its course; its log."""
        self._count += 1
        log = self._folder / f"{self.request['message_id']}-{self._count}"
        log.touch()
        self._in.write(json.dumps({"request": self.request, "log": str(log)}) + "\n")
        self._in.flush()
        pid = int(self._out.readline())
        if kill_after is not None:
            until = time.monotonic() + 60
            while not log.read_text() and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(kill_after)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._out.readline() == "over\n"
        return [json.loads(line) for line in log.read_text().splitlines() if line.endswith(("]", '"'))]


@contextmanager
def attempting(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The process, up until the end."""
    command = [sys.executable, "-m", "tests.turn.killed_attempts"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def check(product: Product, attempts: Attempts, kept: list[Any], retried: list[Any]) -> None:
    """No kept call was made again, there is one answer, and every call is in it and in the audit once."""
    told = [tuple(each) for each in retried if isinstance(each, list)]
    assert retried[-1] == "TurnFinished"
    # What was kept is told first, and never done again.
    assert len(told) == len(set(told)) == CALLS
    assert set(kept) <= set(told)
    conversation_id = attempts.request["conversation_id"]
    answers = [each for each in product.messages(conversation_id) if each["role"] == "assistant"][1:]
    (answer,) = answers
    assert (answer["status"], answer["content"].strip()) == ("complete", "All of it.")
    assert len(json.loads(answer["tool_calls_json"])) == CALLS
    rows = [each["row"] for each in product.outbox().values() if each["table"] == "org_chat_tool_calls"]
    audited = [(row["tool_name"], row["input_params"]) for row in rows if row["conversation_id"] == conversation_id]
    assert len(audited) == len(set(audited)) == CALLS
    questions = [each for each in product.messages(conversation_id) if each["role"] == "user"][1:]
    assert len(questions) == 1


async def run(serving: Serving, folder: Path, points: int, seed: int) -> None:
    """Kill at random points, until so many were between the first call and the last."""
    product: Product = await serving(ScriptedModel([say("hello")]))
    chance = random.Random(seed)
    with attempting(folder) as child:
        in_time, longest = 0, 0.5
        for _ in range(10 * points):
            conversation_id = (await product.send()).json()["conversation_id"]
            request = {"message": "Both?", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
            attempts = Attempts(child, folder, request)
            attempts.make(kill_after=chance.uniform(0.0, longest))
            place = f"orgs/acme_inc/conversations/{conversation_id}/pending"
            document = product.documents.document(f"{place}/{answer_id_for(conversation_id, request['message_id'])}")
            tools = json.loads((document.get().to_dict() or {}).get("tools", "[]"))
            kept = [(each["agent_name"], each["tool_name"], each["arguments"]) for each in tools]
            in_time += 0 < len(kept) < CALLS
            retried = attempts.make()
            # Where the answer was stored before the kill, it is said again.
            late = retried == ["TurnFinished"]
            if not late:
                check(product, attempts, kept, retried)
            if in_time == points:
                return
            # However slow the machine is, the next one comes in time.
            longest *= 0.8 if late else 1.0 if kept else 1.25
        pytest.fail(f"{in_time} of {10 * points} came in time")


async def test_a_retry_after_sigkill_repeats_no_kept_call(serving: Serving, tmp_path: Path) -> None:
    await run(serving, tmp_path, points=3, seed=19)


@pytest.mark.soak
async def test_sigkill_at_50_random_points(serving: Serving, tmp_path: Path) -> None:
    await run(serving, tmp_path, points=50, seed=20)
