"""``python -m tests.eval`` as a process of its own, against a provider that fails half-way."""

import asyncio
import json
import sys
from pathlib import Path

from tests.fakes.wire_stub import Answer, Call, Received, tools_of, wire_stub

ROOT = Path(__file__).parents[2]
KEY = "sk-eval-0123456789abcdef"
SAID = "Costs, spend, budgets and alerts are what I answer."


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """The command's exit code and what it wrote, with the key on its standard input."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.eval", *arguments), cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    out, errors = await process.communicate(f"{KEY}\n".encode())
    return process.returncode, out.decode(), errors.decode()


def written(folder: Path) -> str:
    return "".join(each.read_text("utf-8") for each in folder.iterdir())


async def test_a_provider_that_fails_half_way_leaves_a_partial_report_and_exit_code_1(tmp_path: Path) -> None:
    asked: list[Received] = []

    def provider(request: Received) -> Answer:
        if "ready" in tools_of(request):
            return Answer(calls=(Call("ready", "{}"),))
        asked.append(request)
        return Answer(SAID) if len(asked) == 1 else Answer(status=503)

    names = ["gr-", "bi-emoji", "cost-provider-last-month", "cost-team", "cost-service"]
    told = ["--model", "openai:gpt-4o-mini", "--key-stdin", "--at-once", "1", "--out", str(tmp_path), "--only", *names]
    async with wire_stub() as stub:
        stub.play(provider)
        code, out, errors = await run("--base-url", stub.bases["openai"], *told)
    assert code == 1, errors
    assert "Traceback" not in errors
    kept = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text("utf-8").splitlines()[1:]]
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [turn["answer"] for each in kept for turn in each["turns"]] == [SAID]
    assert report["ended"].startswith("The provider failed (provider_")
    assert len(kept) == 1 < report["planned"]
    assert f"of {report['planned']} episodes won" in out
    assert "The provider failed" in out
    assert "**Not whole:** The provider failed" in (tmp_path / "report.md").read_text("utf-8")
    assert KEY not in out + errors + written(tmp_path)
