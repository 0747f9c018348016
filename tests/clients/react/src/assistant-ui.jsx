// A page of assistant-ui's own parts over its AG-UI runtime, which talks to the product without anything between.
import { useMemo } from "react";
import { createRoot } from "react-dom/client";
import { AssistantRuntimeProvider, ComposerPrimitive, MessagePrimitive, ThreadPrimitive } from "@assistant-ui/react";
import { useAgUiInterrupts, useAgUiRuntime, useAgUiSubmitInterruptResponses } from "@assistant-ui/react-ag-ui";
import { HttpAgent } from "@ag-ui/client";
import { asked } from "./asked.js";

/** Says that this page shows interrupts: the runtime has no option for what it forwards. */
class Agent extends HttpAgent {
  requestInit(input) {
    return super.requestInit({ ...input, forwardedProps: { ...input.forwardedProps, interrupts: asked.interrupts } });
  }
}

function Call({ toolName, result }) {
  return (
    <p data-call={toolName}>
      {toolName}: {result === undefined ? "at work" : "done"}
    </p>
  );
}

function UserMessage() {
  return (
    <MessagePrimitive.Root data-said="user">
      <MessagePrimitive.Parts />
    </MessagePrimitive.Root>
  );
}

function AssistantMessage() {
  return (
    <MessagePrimitive.Root data-said="assistant">
      <MessagePrimitive.Parts components={{ tools: { Fallback: Call } }} />
    </MessagePrimitive.Root>
  );
}

function Interrupts() {
  const interrupts = useAgUiInterrupts();
  const submit = useAgUiSubmitInterruptResponses();
  const decide = (approved) =>
    submit(interrupts.map(({ id }) => ({ interruptId: id, status: "resolved", payload: { approved } })));
  return interrupts.map(({ id, message }) => (
    <div key={id} role="alertdialog" aria-label="Approval">
      <p>{message}</p>
      <button onClick={() => decide(true)}>Yes</button>
      <button onClick={() => decide(false)}>No</button>
    </div>
  ));
}

function Page() {
  const agent = useMemo(() => new Agent({ url: asked.url, headers: asked.headers, threadId: asked.thread }), []);
  const runtime = useAgUiRuntime({ agent, onError: (error) => console.error(error) });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Viewport>
          <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage }} />
          <Interrupts />
        </ThreadPrimitive.Viewport>
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input aria-label="Your question" />
          <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
          <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("page")).render(<Page />);
