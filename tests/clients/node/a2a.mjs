// The A2A client: reads the card, asks, and asks again in the same context; prints what it saw as JSON.
import { text } from "node:stream/consumers";
import { randomUUID } from "node:crypto";
import { Role } from "@a2a-js/sdk";
import { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } from "@a2a-js/sdk/client";

const asked = JSON.parse(await text(process.stdin));
const withHeaders = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), ...asked.headers } });
const seen = { error: null, answers: [] };

const message = (question, contextId) => ({
  messageId: randomUUID(),
  contextId: contextId ?? "",
  taskId: "",
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
  const request = (question, contextId) => ({
    tenant: "", message: message(question, contextId), configuration: undefined, metadata: undefined,
  });
  const first = await client.sendMessage(request("What did we spend?"));
  seen.answers.push(first);
  for await (const event of client.sendMessageStream(request("and now?", first.contextId))) {
    seen.answers.push(event);
  }
} catch (failure) {
  seen.error = failure.message;
}
console.log(JSON.stringify(seen));
process.exit(0);
