// One MCP client that changes something, and asks its person where the product wants that and `answer` is given; without
// one it calls again with what the first answer asks for. Prints JSON.
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const [{ Client }, { StreamableHTTPClientTransport }] = await (asked.client === "sdk"
  ? Promise.all([
      import("@modelcontextprotocol/sdk/client/index.js"),
      import("@modelcontextprotocol/sdk/client/streamableHttp.js"),
    ])
  : Promise.all([import("@modelcontextprotocol/client"), import("@modelcontextprotocol/client")]));

const seen = { error: null, elicited: [] };
try {
  const client = new Client(
    { name: "test", version: "1.0.0" },
    {
      ...(asked.answer && { capabilities: { elicitation: {} } }),
      ...(asked.version && { versionNegotiation: { mode: { pin: asked.version } } }),
    },
  );
  if (asked.answer) {
    const method =
      asked.client === "sdk"
        ? (await import("@modelcontextprotocol/sdk/types.js")).ElicitRequestSchema
        : "elicitation/create";
    client.setRequestHandler(method, async ({ params }) => {
      seen.elicited.push({ message: params.message, schema: params.requestedSchema });
      return asked.answer;
    });
  }
  const transport = new StreamableHTTPClientTransport(new URL(asked.url), { requestInit: { headers: asked.headers } });
  await client.connect(transport);
  // Listed first: the client then holds each result to the tool's output schema.
  await client.listTools();
  seen.first = await client.callTool({ name: "set_it", arguments: asked.call });
  const confirm = seen.first.structuredContent.confirm;
  if (confirm) {
    seen.second = await client.callTool({ name: "set_it", arguments: { ...asked.call, confirm } });
  }
  await client.close();
} catch (failure) {
  seen.error = failure.message;
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
