// One MCP client that changes something: calls, and calls again with what the first answer asks for; prints JSON.
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const [{ Client }, { StreamableHTTPClientTransport }] = await (asked.client === "sdk"
  ? Promise.all([
      import("@modelcontextprotocol/sdk/client/index.js"),
      import("@modelcontextprotocol/sdk/client/streamableHttp.js"),
    ])
  : Promise.all([import("@modelcontextprotocol/client"), import("@modelcontextprotocol/client")]));

const seen = { error: null };
try {
  const client = new Client({ name: "test", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(asked.url), { requestInit: { headers: asked.headers } });
  await client.connect(transport);
  // Listed first: the client then holds each result to the tool's output schema.
  await client.listTools();
  seen.first = await client.callTool({ name: "set_it", arguments: asked.call });
  const confirm = seen.first.structuredContent.confirm;
  seen.second = await client.callTool({ name: "set_it", arguments: { ...asked.call, confirm } });
  await client.close();
} catch (failure) {
  seen.error = failure.message;
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
