"""The estimate of tokens: within a quarter of a real tokenizer's count, for what goes to models and comes from them."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from common.models.token_estimate import ESTIMATED_CHARS, tokens_of
from common.skills.loading import load_skills

PROSE = "You spent 41,234.56 USD on AWS last month, 12.4 % more than in September, mostly in eu-west-1. " * 10
GERMAN = "Die Kosten für Amazon EC2 sind im Oktober um 12,4 % auf 18.234,55 EUR gestiegen. " * 10
CHINESE = "上个月我们在亚马逊云服务上的支出增加了百分之十二,主要原因是计算实例的使用量上升。" * 10
TABLE = "| Service | Cost |\n|---|---|\n" + "".join(f"| Amazon S3 {n} | {n * 1234.57:,.2f} USD |\n" for n in range(60))
ROWS = json.dumps([{"service": "AmazonEC2", "billed_cost": n * 1234.567, "day": "2026-10-01"} for n in range(60)])


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A vocabulary that comes with litellm, so that nothing is fetched."""
    tiktoken = pytest.importorskip("tiktoken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(resources.files("litellm") / "litellm_core_utils" / "tokenizers"))
        return tiktoken.get_encoding("cl100k_base")


@pytest.mark.parametrize("text", [PROSE, GERMAN, CHINESE, TABLE, ROWS, Path(__file__).read_text(encoding="utf-8")])
def test_texts_are_estimated_within_a_quarter(tokenizer: Any, text: str) -> None:
    assert tokens_of(text) == pytest.approx(len(tokenizer.encode(text)), rel=0.25)


def test_prompts_and_tools_are_estimated_within_a_quarter(tokenizer: Any) -> None:
    skills = load_skills()
    tools = json.dumps([tool.schema() for tool in skills.registry.tools])
    assert tokens_of(tools) == pytest.approx(len(tokenizer.encode(tools)), rel=0.25)
    for agent in skills.roster.agents.values():
        assert tokens_of(agent.prompt) == pytest.approx(len(tokenizer.encode(agent.prompt)), rel=0.25)


def test_a_very_long_text_is_measured_by_its_beginning() -> None:
    text = "word " * ESTIMATED_CHARS
    assert tokens_of(text) == pytest.approx(ESTIMATED_CHARS, rel=0.01)
