// A page's reader of an event stream, fed as the network gives it or one byte at a time; prints the events as JSON.
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const response = await fetch(asked.url, {
  method: "POST",
  headers: { ...asked.headers, "Content-Type": "application/json" },
  body: JSON.stringify({ message: asked.message }),
});
const decoder = new TextDecoder();
const events = [];
let buffer = "";

function take(bytes) {
  buffer += decoder.decode(bytes, { stream: true });
  for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
    const event = {};
    for (const line of buffer.slice(0, end).split("\n")) {
      if (line.startsWith("event: ")) event.name = line.slice(7);
      if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
    }
    if (event.name) events.push(event);
    buffer = buffer.slice(end + 2);
  }
}

for await (const chunk of response.body) {
  if (asked.reader === "byte") {
    for (const byte of chunk) take(Uint8Array.of(byte));
  } else {
    take(chunk);
  }
}
process.stdout.write(`${JSON.stringify({ status: response.status, events, rest: buffer })}\n`, () => process.exit(0));
