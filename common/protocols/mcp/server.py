"""The tools of the registry over the Model Context Protocol: streamable HTTP, one request at a time, nothing kept."""

import json
import logging
from functools import partial
from typing import Any

from mcp import MCPError
from mcp import types as mcp
from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message as AsgiMessage
from starlette.types import Scope

from common import limits
from common.errors import ServiceError
from common.metering.entrance import Entered
from common.protocols.confirm_argument import CONFIRM, Approved
from common.protocols.json_rpc import envelope, refusal, replayed, reworded
from common.protocols.mcp import prompts, resources
from common.protocols.mcp.confirming import decide, with_confirm
from common.protocols.tool_calls import ToolServices, ToolSession
from common.tools.registry import Tool
from common.tools.result import ENVELOPE_SCHEMA, as_message
from common.web.disconnect import wait_for_disconnect

_NAME = "cloudcost-chat"
_INSTRUCTIONS = (
    "Answers about the cloud, GenAI and SaaS costs of one organisation, which the request's X-API-Key belongs to. "
    "Dates are inclusive days in UTC. Amounts of different currencies are never added together."
)
_SHAPE = envelope(dict.fromkeys(("name", "arguments", "uri", "cursor", "protocolVersion", "clientInfo")))
_Context = ServerRequestContext[Any, Any]
_Page = mcp.PaginatedRequestParams | None


async def answer(services: ToolServices, entered: Entered, request: Request, body: bytes, request_id: str) -> Response:
    """Answer one MCP request of an authenticated caller. Raises RateLimited where a call is too many."""
    refused = refusal(body, _SHAPE, 400)
    if refused is not None:
        return refused
    # The SDK logs what it cannot handle with whatever the client sent.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    session = _Session(services, entered, request_id, partial(wait_for_disconnect, request))
    scope, as_events = _accepted(request)
    manager = StreamableHTTPSessionManager(
        app=session.server(),
        stateless=True,
        json_response=not as_events,
        max_request_body_size=limits.MAX_BODY_BYTES,
    )
    written = _Written()
    async with manager.run():
        await manager.handle_request(scope, replayed(body, request.receive), written)
    if session.refused is not None:
        raise session.refused
    return reworded(written.response())


def _accepted(request: Request) -> tuple[Scope, bool]:
    """The request as the SDK takes it, and whether it is answered as an event stream.

    JSON is the answer wherever it is accepted. The SDK wants both types named, which clients do not always do.
    """
    accept = request.headers.get("accept", "").strip()
    has_json, has_events = check_accept_headers(request) if accept else (True, False)
    if not (has_json or has_events):
        return request.scope, False
    headers = [each for each in request.scope["headers"] if each[0] != b"accept"]
    both = (b"accept", b"application/json, text/event-stream")
    return {**request.scope, "headers": [*headers, both]}, not has_json


class _Session(ToolSession):
    """The tools, prompts and resources of one request. It is made for its caller and ends with the request."""

    def server(self) -> Server[Any]:
        return Server(
            _NAME,
            version=self.services.version,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
        )

    async def _list_tools(self, _context: _Context, _page: _Page) -> mcp.ListToolsResult:
        return mcp.ListToolsResult(tools=[_described(each) for each in self.registry.tools])

    async def _call_tool(
        self, context: _Context, params: mcp.CallToolRequestParams
    ) -> mcp.CallToolResult | mcp.InputRequiredResult:
        try:
            with await self.place():
                result = await self._call(context, params)
        except ServiceError as error:
            if error.status >= 500:
                self.services.log.failure("request.failed", error)
            raise MCPError(mcp.INTERNAL_ERROR, error.detail, {"code": error.code}) from None
        except MCPError:
            raise
        except Exception as error:
            # The SDK would answer with the exception's text.
            self.services.log.error("mcp.crashed", error_class=type(error).__name__, tool=params.name[:64])
            raise MCPError(mcp.INTERNAL_ERROR, ServiceError.detail) from None
        if isinstance(result, mcp.InputRequiredResult):
            return result
        text = mcp.TextContent(type="text", text=as_message(result))
        return mcp.CallToolResult(content=[text], structured_content=result, is_error="error" in result)

    async def _call(
        self, context: _Context, params: mcp.CallToolRequestParams
    ) -> dict[str, Any] | mcp.InputRequiredResult:
        """Run a tool and put the call on the record. Raises MCPError for a tool that there is not."""
        name, services = params.name, self.services
        tools = self.tools(self.request_id)
        if name not in {each.name for each in tools.tools}:
            raise MCPError(mcp.INVALID_PARAMS, f"There is no tool {name[:64]!r}.")
        if not tools.changes(name):
            return await self.recorded(tools, name, json.dumps(params.arguments or {}))
        arguments = json.dumps({key: each for key, each in (params.arguments or {}).items() if key != CONFIRM})
        if refused := tools.refusal_of_change(name, arguments):
            return await self.recorded(tools, name, arguments, refused)
        decided = await decide(services.confirmations, self.principal, context, params, services.clock())
        if isinstance(decided, Approved):
            # The same yes names the same write, in whatever attempt.
            return await self.recorded(self.tools(decided.confirmation_id), name, arguments)
        if isinstance(decided, mcp.InputRequiredResult) or decided.asks:
            return decided if isinstance(decided, mcp.InputRequiredResult) else decided.result
        return await self.recorded(tools, name, arguments, decided.result)

    async def _list_prompts(self, _context: _Context, _page: _Page) -> mcp.ListPromptsResult:
        return mcp.ListPromptsResult(prompts=prompts.listed(self.off))

    async def _get_prompt(self, _context: _Context, params: mcp.GetPromptRequestParams) -> mcp.GetPromptResult:
        return prompts.filled(params.name, params.arguments or {}, self.off)

    async def _list_resources(self, _context: _Context, _page: _Page) -> mcp.ListResourcesResult:
        return mcp.ListResourcesResult(resources=resources.listed())

    async def _read_resource(self, _context: _Context, params: mcp.ReadResourceRequestParams) -> mcp.ReadResourceResult:
        return resources.read(params.uri)


class _Written:
    """Takes what the SDK writes, so that it can be answered, logged and given headers like any other response."""

    def __init__(self) -> None:
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    async def __call__(self, message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def response(self) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}
        return Response(bytes(self._body), self._status, headers)


def _described(tool: Tool) -> mcp.Tool:
    function = tool.schema()["function"]
    parameters = function["parameters"]
    return mcp.Tool(
        name=tool.name,
        title=tool.title,
        description=function["description"],
        input_schema=with_confirm(parameters) if tool.writes else parameters,
        output_schema=ENVELOPE_SCHEMA,
        annotations=mcp.ToolAnnotations(
            read_only_hint=tool.writes is None,
            destructive_hint=tool.writes is not None,
            idempotent_hint=tool.writes is None,
            open_world_hint=False,
        ),
    )
