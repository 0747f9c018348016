"""The common questions as MCP prompts, read from mcp_prompts.yml."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from mcp import MCPError
from mcp import types as mcp
from pydantic import BaseModel, ConfigDict

from common.tools.unnamed import without

PROMPT_ARGUMENT_CHARS = 200


class _Argument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    default: str


class _Prompt(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    description: str
    text: str
    arguments: tuple[_Argument, ...] = ()


def listed(off: frozenset[str]) -> list[mcp.Prompt]:
    """The prompts as a client lists them, without those that name a tool which is ``off``."""
    return [
        mcp.Prompt(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                mcp.PromptArgument(
                    name=argument.name,
                    description=f"{argument.description} (default: {argument.default})",
                    required=False,
                )
                for argument in prompt.arguments
            ],
        )
        for prompt in _prompts().values()
        if without(prompt.text, off) == prompt.text
    ]


def filled(name: str, arguments: Mapping[str, str], off: frozenset[str]) -> mcp.GetPromptResult:
    """A prompt with its arguments set. Raises MCPError for an unknown prompt or argument, or a value too long."""
    prompt = _prompts().get(name)
    if prompt is None or without(prompt.text, off) != prompt.text:
        raise MCPError(mcp.INVALID_PARAMS, f"There is no prompt {name[:64]!r}.")
    known = {argument.name: argument.default for argument in prompt.arguments}
    unknown = arguments.keys() - known.keys()
    if unknown:
        raise MCPError(mcp.INVALID_PARAMS, f"The prompt {name} takes only: {', '.join(known)}.")
    if any(len(value) > PROMPT_ARGUMENT_CHARS for value in arguments.values()):
        raise MCPError(mcp.INVALID_PARAMS, f"An argument has at most {PROMPT_ARGUMENT_CHARS} characters.")
    text = prompt.text.format_map({**known, **{key: value for key, value in arguments.items() if value.strip()}})
    message = mcp.PromptMessage(role="user", content=mcp.TextContent(type="text", text=text))
    return mcp.GetPromptResult(description=prompt.description, messages=[message])


@cache
def _prompts() -> Mapping[str, _Prompt]:
    entries = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))["prompts"]
    prompts = [_Prompt.model_validate(entry) for entry in entries]
    return {prompt.name: prompt for prompt in prompts}
