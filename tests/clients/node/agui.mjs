// One AG-UI client through the steps of a test: reads them from stdin as JSON, prints what the client saw as JSON.
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const { HttpAgent } = await import(asked.client === "1.0" ? "@ag-ui/client" : "@ag-ui/client-0");
const warnings = [];
console.warn = (...parts) => warnings.push(parts.join(" "));
console.error = (...parts) => warnings.push(parts.join(" "));

const agent = new HttpAgent({ url: asked.url, headers: asked.headers, threadId: asked.threadId ?? randomUUID() });
const steps = [];
for (const step of asked.steps) {
  if (step.say !== undefined) {
    agent.addMessage({ id: randomUUID(), role: "user", content: step.say });
  }
  for (const content of step.toolResults ?? []) {
    const calls = agent.messages.flatMap((message) => message.toolCalls ?? []);
    const answered = new Set(agent.messages.map((message) => message.toolCallId));
    const call = calls.find((each) => !answered.has(each.id));
    agent.addMessage({ id: randomUUID(), role: "tool", toolCallId: call.id, content });
  }
  const resume = step.resume?.map((answer, index) => ({ interruptId: agent.pendingInterrupts[index].id, ...answer }));
  const events = [];
  let error = null;
  let result = null;
  const subscriber = {
    onEvent: ({ event }) => {
      events.push(event);
      if (event.type === step.abortOn) {
        setTimeout(() => agent.abortRun(), 0);
      }
    },
    onRunFailed: ({ error: failure }) => {
      error = failure.message;
    },
  };
  try {
    const run = { tools: step.tools, forwardedProps: step.forwardedProps, runId: step.runId, resume };
    result = await agent.runAgent(JSON.parse(JSON.stringify(run)), subscriber);
  } catch (failure) {
    error = failure.message;
  }
  steps.push({
    events,
    error,
    result: result?.result ?? null,
    newMessages: result?.newMessages ?? null,
    state: agent.state,
    pending: agent.pendingInterrupts ?? [],
  });
}
process.stdout.write(`${JSON.stringify({ threadId: agent.threadId, messages: agent.messages, steps, warnings })}\n`, () => process.exit(0));
