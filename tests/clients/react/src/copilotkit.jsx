// A page of CopilotKit's own chat, with the product as its runtime: no Node server is between.
import { createRoot } from "react-dom/client";
import { CopilotChat, CopilotKitProvider, useInterrupt, useRenderTool } from "@copilotkit/react-core/v2";
import "@copilotkit/react-core/v2/styles.css";
import { asked } from "./asked.js";

function Approval({ interrupt, resolve }) {
  return (
    <div role="alertdialog" aria-label="Approval">
      <p>{interrupt.message}</p>
      <button onClick={() => resolve({ approved: true })}>Yes</button>
      <button onClick={() => resolve({ approved: false })}>No</button>
    </div>
  );
}

function Chat() {
  useInterrupt({ render: Approval });
  useRenderTool({
    name: "*",
    render: ({ name, status }) => (
      <p data-call={name}>
        {name}: {status === "complete" ? "done" : "at work"}
      </p>
    ),
  });
  return <CopilotChat threadId={asked.thread} />;
}

createRoot(document.getElementById("page")).render(
  <CopilotKitProvider
    runtimeUrl={asked.url}
    useSingleEndpoint
    headers={asked.headers}
    properties={{ interrupts: asked.interrupts }}
    enableInspector={false}
    onError={({ code, error }) => console.error(code, error)}
  >
    <Chat />
  </CopilotKitProvider>,
);
