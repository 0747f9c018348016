// The HTTP contract: everything but the run itself, which is AG-UI's (thread.ts).
import type {
  AgentRules,
  AgentSettings,
  ApiKey,
  Caller,
  Conversation,
  Delivery,
  Destination,
  Digest,
  DocumentEntry,
  Escalation,
  Hit,
  Issuer,
  Member,
  Opinion,
  Organization,
  Person,
  Row,
  SettingsStatus,
  StoredMessage,
  Tool,
  ToolResult,
  UploadStarted,
  Usage,
  UsageGroup,
} from "./contract";

/** An answer that is none: its message is a sentence for the person who asked; status 0 where nobody answered. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status = 0,
  ) {
    super(message);
  }
}

const UNREACHABLE = "The product does not answer. Is make run still running?";

/** One organisation's calls, by a person's token, or by the key, which a real frontend keeps on its own server. */
export class Api {
  readonly base: string;
  readonly headers: Record<string, string>;

  constructor(
    readonly organization: Organization,
    token = "",
  ) {
    this.base = `/api/v1/chat/${organization.slug}`;
    this.headers = {
      "X-Org-Slug": organization.slug,
      ...(token
        ? { Authorization: `Bearer ${token}` }
        : { "X-API-Key": organization.key, "X-User-Id": "playground" }),
    };
  }

  async caller(): Promise<Caller> {
    return this.#json("GET", "/settings/caller");
  }

  async agents(): Promise<AgentSettings> {
    return this.#json("GET", "/settings/agents");
  }

  async setAgents(rules: AgentRules & { version: number }): Promise<void> {
    await this.#call("PUT", "/settings/agents", rules);
  }

  async keys(): Promise<ApiKey[]> {
    return (await this.#json<{ keys: ApiKey[] }>("GET", "/settings/keys")).keys;
  }

  async makeKey(name: string): Promise<{ key: string }> {
    return this.#json("POST", "/settings/keys", { name });
  }

  async revokeKey(keyId: string): Promise<void> {
    await this.#call("DELETE", `/settings/keys/${encodeURIComponent(keyId)}`);
  }

  async issuers(): Promise<Issuer[]> {
    return (await this.#json<{ issuers: Issuer[] }>("GET", "/settings/issuers")).issuers;
  }

  async addIssuer(issuer: Record<string, string>): Promise<void> {
    await this.#call("POST", "/settings/issuers", issuer);
  }

  async removeIssuer(issuerId: string): Promise<void> {
    await this.#call("DELETE", `/settings/issuers/${issuerId}`);
  }

  async members(): Promise<Member[]> {
    return (await this.#json<{ members: Member[] }>("GET", "/settings/members")).members;
  }

  async setMember(userId: string, member: { role?: string; blocked?: boolean }): Promise<void> {
    await this.#call("PUT", `/settings/members/${encodeURIComponent(userId)}`, member);
  }

  async removeMember(userId: string): Promise<void> {
    await this.#call("DELETE", `/settings/members/${encodeURIComponent(userId)}`);
  }

  async setLimits(limits: Record<string, number>): Promise<void> {
    await this.#call("PUT", "/settings", limits);
  }

  async conversations(cursor?: string): Promise<{ conversations: Conversation[]; next_cursor?: string }> {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    return this.#json("GET", `/conversations?limit=30${query}`);
  }

  async search(text: string): Promise<{ results: Hit[]; cut: boolean }> {
    return this.#json("GET", `/messages/search?q=${encodeURIComponent(text)}`);
  }

  /** A conversation whole, with its title; a frontend that shows long ones page by page reads …/messages instead. */
  async history(conversationId: string): Promise<{ conversation: Conversation; messages: StoredMessage[] }> {
    return this.#json("GET", this.#at(conversationId, "/export"));
  }

  async export(conversationId: string): Promise<Blob> {
    return (await this.#call("GET", this.#at(conversationId, "/export"))).blob();
  }

  async rename(conversationId: string, title: string): Promise<void> {
    await this.#call("PATCH", this.#at(conversationId, "/rename"), { title });
  }

  /**
   * A new conversation with what was said before a question; null where nothing was. The same question may have been
   * asked several times: ``times`` before this one.
   */
  async fork(conversationId: string, question: string, times: number, title: string): Promise<string | null> {
    const { messages } = await this.history(conversationId);
    const asked = messages.filter((each) => each.role === "user" && each.content === question)[times];
    if (!messages.length || asked === messages[0]) {
      return null;
    }
    const body = { title, ...(asked && { before_message_id: asked.message_id }) };
    return (await this.#json<Conversation>("POST", this.#at(conversationId, "/fork"), body)).conversation_id;
  }

  async delete(conversationId: string): Promise<void> {
    await this.#call("DELETE", this.#at(conversationId));
  }

  /** Hand a conversation over to a person; how many places are told of it. */
  async escalate(conversationId: string, reason: string): Promise<{ escalated: Escalation; told: number }> {
    return this.#json("POST", this.#at(conversationId, "/escalation"), { reason });
  }

  async resolve(conversationId: string): Promise<{ escalated: Escalation }> {
    return this.#json("DELETE", this.#at(conversationId, "/escalation"));
  }

  async giveFeedback(conversationId: string, messageId: string, opinion: Opinion): Promise<void> {
    await this.#call("POST", this.#at(conversationId, `/messages/${messageId}/feedback`), opinion);
  }

  async status(): Promise<SettingsStatus> {
    return this.#json("GET", "/settings/status");
  }

  /** What was used in a month, such as 2026-11. */
  async usage(month: string, by: UsageGroup): Promise<Usage> {
    return this.#json("GET", `/usage?month=${month}&by=${by}`);
  }

  /** The month's statement as a CSV file. */
  async statement(month: string): Promise<Blob> {
    return (await this.#call("GET", `/usage/statement?month=${month}&format=csv`)).blob();
  }

  /** All documents of the organisation, newest first. */
  async documents(): Promise<DocumentEntry[]> {
    const all: DocumentEntry[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const page: { documents: DocumentEntry[]; next_cursor?: string | null } = await this.#json(
        "GET",
        `/knowledge/documents?limit=200${query}`,
      );
      all.push(...page.documents);
      cursor = page.next_cursor ?? null;
    }
    return all;
  }

  /** Announce a file, and put its bytes where the product says; ``progress`` is told the share that has arrived. */
  async upload(file: File, progress: (share: number) => void): Promise<void> {
    const data = await file.arrayBuffer();
    const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", data))];
    const sha256 = digest.map((each) => each.toString(16).padStart(2, "0")).join("");
    const announced = { name: file.name, bytes: file.size, sha256, ...(file.type && { type: file.type.split(";")[0] }) };
    const started: UploadStarted = await this.#json("POST", "/knowledge/documents", announced);
    if (started.upload_url !== null) {
      await put(started.upload_url, started.headers, data, progress);
    }
    progress(1);
  }

  async deleteDocument(documentId: string): Promise<void> {
    await this.#call("DELETE", `/knowledge/documents/${documentId}`);
  }

  /** Call a tool by itself, without a model. */
  async tool(name: string, args: Record<string, unknown>): Promise<ToolResult> {
    return this.#json("POST", `/tools/${name}`, { arguments: args });
  }

  /** Call a tool that changes something. Whoever clicked has said yes; the product is told so by the second call. */
  async change(name: string, args: Record<string, unknown>): Promise<ToolResult> {
    const { confirm } = await this.#json<{ confirm: string }>("POST", `/tools/${name}`, { arguments: args, ask: true });
    return this.#json("POST", `/tools/${name}`, { arguments: args, confirm });
  }

  async destinations(): Promise<Destination[]> {
    return (await this.#json<{ destinations: Destination[] }>("GET", "/destinations")).destinations;
  }

  /** Make a destination; the secret of a webhook is told this once. */
  async makeDestination(made: Row): Promise<{ destination: Destination; secret: string | null }> {
    return this.#json("POST", "/destinations", made);
  }

  async changeDestination(id: string, change: Row): Promise<void> {
    await this.#call("PATCH", `/destinations/${id}`, change);
  }

  async deleteDestination(id: string): Promise<void> {
    await this.#call("DELETE", `/destinations/${id}`);
  }

  /** Send a message to a destination now, and say what came of it. */
  async testDestination(id: string): Promise<{ state: string; error?: string; detail?: string }> {
    return this.#json("POST", `/destinations/${id}/test`);
  }

  async newSecret(id: string): Promise<string> {
    return (await this.#json<{ secret: string }>("POST", `/destinations/${id}/secret`)).secret;
  }

  async deliveries(id: string): Promise<Delivery[]> {
    return (await this.#json<{ deliveries: Delivery[] }>("GET", `/destinations/${id}/deliveries?limit=10`)).deliveries;
  }

  async digests(): Promise<Digest[]> {
    return (await this.#json<{ digests: Digest[] }>("GET", "/digests")).digests;
  }

  async previewDigest(asked: Row): Promise<{ title: string; text: string }> {
    return this.#json("POST", "/digests/preview", asked);
  }

  async makeDigest(made: Row): Promise<void> {
    await this.#call("POST", "/digests", made);
  }

  async changeDigest(id: string, changes: Row): Promise<void> {
    await this.#call("PATCH", `/digests/${id}`, changes);
  }

  async deleteDigest(id: string): Promise<void> {
    await this.#call("DELETE", `/digests/${id}`);
  }

  #at(conversationId: string, rest = ""): string {
    return `/conversations/${encodeURIComponent(conversationId)}${rest}`;
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.#call(method, path, body)).json() as Promise<T>;
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { ...this.headers, ...(body ? { "Content-Type": "application/json" } : {}) };
    const response = await fetch(this.base + path, { method, headers, body: body ? JSON.stringify(body) : null }).catch(
      () => {
        throw new ApiError(UNREACHABLE);
      },
    );
    if (!response.ok) {
      const said = (await response.json().catch(() => ({}))) as { detail?: string };
      const again = response.headers.get("Retry-After");
      throw new ApiError(`${said.detail ?? UNREACHABLE}${again ? ` (in ${again} s)` : ""}`, response.status);
    }
    return response;
  }
}

// The address takes one upload: somebody else has sent the same bytes a moment ago.
const ARRIVED = 412;

/** Put the bytes at a signed address; a request of its own kind, since only it tells how far it is. */
function put(url: string, headers: Record<string, string>, data: ArrayBuffer, progress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    // A browser says by itself how long the body is, and who it is for.
    const own = ["content-length", "host"];
    Object.entries(headers).forEach(([name, each]) => own.includes(name.toLowerCase()) || request.setRequestHeader(name, each));
    request.upload.addEventListener("progress", (event) => progress(Math.min(0.99, event.loaded / (event.total || 1))));
    request.addEventListener("load", () =>
      request.status < 300 || request.status === ARRIVED ? resolve() : reject(new ApiError(`The upload was refused (${request.status}). Try again.`, request.status)),
    );
    request.addEventListener("error", () => reject(new ApiError("The upload did not arrive. Try again.")));
    request.send(data);
  });
}

/** The tools that answers are made with. */
export async function tools(): Promise<Tool[]> {
  return (await fetch("/playground/tools")).json() as Promise<Tool[]>;
}

/** The demo organisations and their keys, which only a page of one's own machine is told. */
export async function organizations(): Promise<Organization[]> {
  const response = await fetch("/playground/organizations");
  return response.json() as Promise<Organization[]>;
}

/** A token of the local issuer, for a person of an organisation. */
export async function signIn(organization: Organization, person: Person): Promise<string> {
  const query = `org=${organization.slug}&person=${person.user_id}`;
  const response = await fetch(`/playground/issuer/token?${query}`);
  const said = (await response.json().catch(() => ({}))) as { token?: string; detail?: string };
  if (!said.token) {
    throw new ApiError(said.detail ?? UNREACHABLE, response.status);
  }
  return said.token;
}
