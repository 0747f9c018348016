// CopilotKit's runtime in front of the function, and a page's AG-UI client in front of the runtime; prints JSON.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

process.env.COPILOTKIT_TELEMETRY_DISABLED = "true";
const asked = JSON.parse(await text(process.stdin));
const { HttpAgent } = await import("@ag-ui/client");
const { CopilotRuntime } = await import("@copilotkit/runtime/v2");
const { createCopilotNodeListener } = await import("@copilotkit/runtime/v2/node");

console.log = (...parts) => console.error(...parts);
const runtime = new CopilotRuntime({
  agents: { default: new HttpAgent({ url: asked.url, headers: asked.headers }) },
});
const listener = createCopilotNodeListener({ runtime, basePath: "/api/copilotkit" });
const server = createServer(listener);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}/api/copilotkit`;

const info = await (await fetch(`${base}/info`)).json();
// What a page sends along: none of it may replace what the runtime's own agent says.
const agent = new HttpAgent({ url: `${base}/agent/default/run`, headers: asked.page ?? {}, threadId: randomUUID() });
const steps = [];
for (const question of asked.questions) {
  agent.addMessage({ id: randomUUID(), role: "user", content: question });
  const events = [];
  let error = null;
  try {
    await agent.runAgent({}, { onEvent: ({ event }) => void events.push(event) });
  } catch (failure) {
    error = failure.message;
  }
  steps.push({ events, error, state: agent.state });
}
process.stdout.write(`${JSON.stringify({ info, threadId: agent.threadId, messages: agent.messages, steps })}\n`, () => {
  process.exit(0);
});
