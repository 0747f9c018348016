// One MCP client: connects, lists, calls a tool, reads a prompt and a resource, and prints what it saw as JSON.
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
  seen.tools = (await client.listTools()).tools;
  seen.prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  seen.prompt = await client.getPrompt({ name: "spend_by_provider", arguments: { period: "2024-09" } });
  seen.resources = (await client.listResources()).resources.map((resource) => resource.uri);
  seen.resource = await client.readResource({ uri: seen.resources[0] });
  seen.answer = await client.callTool({ name: "query_costs", arguments: { group_by: "provider" } });
  seen.refused = await client.callTool({ name: "query_costs", arguments: { group_by: "planet" } });
  await client.close();
} catch (failure) {
  seen.error = failure.message;
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
