// The A2A client: reads the card, asks, asks again in the same context as events, and allows a change; prints what it saw as JSON.
import { text } from "node:stream/consumers";
import { randomUUID } from "node:crypto";
import { Role } from "@a2a-js/sdk";
import { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } from "@a2a-js/sdk/client";

const asked = JSON.parse(await text(process.stdin));
const withHeaders = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), ...asked.headers } });
const seen = { error: null, answers: [] };

const message = (question, contextId, taskId) => ({
  messageId: randomUUID(),
  contextId: contextId ?? "",
  taskId: taskId ?? "",
  role: Role.ROLE_USER,
  parts: [{ content: { $case: "text", value: question }, mediaType: "text/plain", filename: "", metadata: undefined }],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
});

try {
  const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [new JsonRpcTransportFactory({ fetchImpl: withHeaders })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl: withHeaders }),
  });
  const client = await new ClientFactory(options).createFromUrl(asked.url);
  seen.card = await client.getAgentCard();
  const request = (question, contextId, taskId) => ({
    tenant: "", message: message(question, contextId, taskId), configuration: undefined, metadata: undefined,
  });
  const first = await client.sendMessage(request("What did we spend?"));
  seen.answers.push(first);
  for await (const event of client.sendMessageStream(request("and now?", first.contextId))) {
    seen.answers.push(event);
  }
  if (asked.change) {
    seen.task = await client.sendMessage(request(asked.change));
    seen.done = await client.sendMessage(request("yes", seen.task.contextId, seen.task.id));
  }
} catch (failure) {
  seen.error = failure.message;
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
