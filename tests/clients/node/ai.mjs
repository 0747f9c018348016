// The AI SDK's useChat over its own transport, rendered by React, through the steps of a test: JSON in, JSON out.
import { text } from "node:stream/consumers";
import { createElement } from "react";
import { act, create } from "react-test-renderer";
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";

const asked = JSON.parse(await text(process.stdin));
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const warnings = [];
console.error = (said, ...more) => String(said).includes("react-test-renderer is deprecated") || warnings.push([said, ...more].join(" "));

const data = [];
const ends = [];
let chat = null;
function Page() {
  chat = useChat({
    id: asked.id,
    messages: asked.messages,
    transport: new DefaultChatTransport({ api: asked.url, headers: asked.headers, ...prepared() }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onData: (part) => data.push(part),
    onFinish: ({ finishReason, isAbort, isError }) => ends.push({ finishReason, isAbort, isError }),
  });
  return createElement("p", {}, shown());
}

/** A page may send its last message alone, as the product keeps the others. */
function prepared() {
  const last = ({ id, messages }) => ({ body: { id, message: messages.at(-1) } });
  return asked.sendsLastAlone ? { prepareSendMessagesRequest: last } : {};
}

function shown() {
  return (chat?.messages.at(-1)?.parts ?? []).map((part) => part.text ?? "").join("");
}

const settled = async () => {
  const over = () => chat.status === "ready" || chat.status === "error";
  for (let seen = 0; seen < 3; seen += over() ? 1 : 0) {
    await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
  }
};

/** Ask, and stop the answer at its first word. */
const stopped = async (said) => {
  let running;
  await act(async () => {
    running = chat.sendMessage({ text: said });
  });
  while (chat.messages.at(-1).role !== "assistant" || !shown()) {
    await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
  }
  await act(async () => {
    await chat.stop();
    await running;
  });
};

let page;
await act(() => {
  page = create(createElement(Page));
});
const steps = [];
for (const step of asked.steps) {
  const waits = chat.messages.at(-1)?.parts.find((part) => part.state === "approval-requested");
  if (step.stopped) {
    await stopped(step.stopped);
  }
  await act(async () => {
    if (step.say !== undefined) {
      await chat.sendMessage(step.files ? { text: step.say, files: step.files } : { text: step.say });
    } else if (step.edit !== undefined) {
      const users = chat.messages.filter((message) => message.role === "user");
      await chat.sendMessage({ text: step.text, messageId: users[step.edit].id });
    } else if (step.regenerate) {
      await chat.regenerate();
    } else if (step.resume) {
      await chat.resumeStream();
    } else if (step.approve !== undefined) {
      await chat.addToolApprovalResponse({ id: waits.approval.id, approved: step.approve });
    }
  });
  await settled();
  steps.push({
    status: chat.status,
    error: chat.error?.message ?? null,
    messages: JSON.parse(JSON.stringify(chat.messages)),
    rendered: page.toJSON().children,
  });
}
process.stdout.write(`${JSON.stringify({ steps, data, ends, warnings })}\n`, () => process.exit(0));
