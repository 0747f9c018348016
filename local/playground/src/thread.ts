// A conversation as AG-UI's own client runs it; what happens is told to a listener.
import { HttpAgent, type AgentSubscriber, type Interrupt, type ResumeEntry } from "@ag-ui/client";
import type { Api } from "./api";
import type { ChartSpec, Citation, ToolResult } from "./contract";

export interface Finished {
  messageId: string;
  agentName: string;
  modelId: string;
  latencyMs: number;
  tokens: number;
  /** How the answer ended; "stop" where it ended by itself. */
  finish: string;
  /** A sentence where a ceiling is nearly reached; otherwise empty. */
  warning: string;
  unverified: string[];
  citations: Citation[];
  /** When it was made, where it is given again; otherwise empty. */
  cachedAt: string;
}

export interface RunListener {
  titled(title: string): void;
  agentChanged(name: string): void;
  said(text: string): void;
  callStarted(id: string, name: string, args: string): void;
  callFinished(id: string, result: ToolResult): void;
  charted(id: string, chart: ChartSpec): void;
  approvalNeeded(interrupts: Interrupt[]): void;
  questionAsked(interrupt: Interrupt): void;
  finished(end: Finished): void;
  stopped(): void;
  failed(message: string, retryAfter?: number): void;
}

const CUT_OFF = "The connection ended before the answer did. Try again.";

export class Thread {
  #agent: HttpAgent;
  #retryAfter = 0;

  constructor(
    readonly api: Api,
    readonly conversationId: string,
  ) {
    this.#agent = this.#client();
  }

  /** Ask, and return the run's id: to run it again neither stores nor answers the question twice. */
  ask(question: string): string {
    if (this.#agent.pendingInterrupts.length) {
      // Asked instead of deciding: this client would insist on a decision, the product does not.
      this.#agent = this.#client();
    }
    this.#agent.addMessage({ id: crypto.randomUUID(), role: "user", content: question });
    return crypto.randomUUID();
  }

  async run(runId: string, listener: RunListener): Promise<void> {
    await this.#run({ runId }, listener);
  }

  /** Go on with a run that waits for a change to be allowed. */
  async resume(interrupts: Interrupt[], approved: boolean, listener: RunListener): Promise<void> {
    const resume: ResumeEntry[] = interrupts.map((each) => ({
      interruptId: each.id,
      status: "resolved",
      payload: { approved },
    }));
    await this.#run({ runId: crypto.randomUUID(), resume }, listener);
  }

  /** Close the connection, by which the product stops too. */
  stop(): void {
    this.#agent.abortRun();
  }

  #client(): HttpAgent {
    const url = `${this.api.base}/copilotkit`;
    // The client tells of a refusal its body only; when to come back is in a header.
    const read = async (address: string, request: RequestInit) => {
      const response = await fetch(address, request);
      this.#retryAfter = Number(response.headers.get("Retry-After")) || 0;
      return response;
    };
    return new HttpAgent({ url, headers: this.api.headers, threadId: this.conversationId, fetch: read });
  }

  async #run(run: { runId: string; resume?: ResumeEntry[] }, listener: RunListener): Promise<void> {
    let ended = false;
    const end = (tell: () => void) => {
      if (!ended) {
        ended = true;
        tell();
      }
    };
    const subscriber = translate(listener, end);
    try {
      await this.#agent.runAgent({ ...run, forwardedProps: { interrupts: true } }, subscriber);
      end(() => listener.failed(CUT_OFF));
    } catch (failure) {
      end(() => listener.failed(sentence(failure), this.#retryAfter));
    }
  }
}

function translate(listener: RunListener, end: (tell: () => void) => void): AgentSubscriber {
  let modelId = "";
  // Specialists that are consulted are steps within the step of the agent that answers.
  let steps = 0;
  return {
    onStateSnapshotEvent({ event }) {
      const state = event.snapshot as { title?: string; model_id?: string };
      modelId = state.model_id ?? "";
      if (state.title) {
        listener.titled(state.title);
      }
    },
    onStepStartedEvent({ event }) {
      steps += 1;
      if (steps === 1) {
        listener.agentChanged(event.stepName);
      }
    },
    onStepFinishedEvent() {
      steps -= 1;
    },
    onTextMessageContentEvent: ({ event }) => listener.said(event.delta),
    onToolCallEndEvent({ event, toolCallName, toolCallArgs }) {
      listener.callStarted(event.toolCallId, toolCallName, JSON.stringify(toolCallArgs));
    },
    onToolCallResultEvent({ event }) {
      listener.callFinished(event.toolCallId, JSON.parse(String(event.content)) as ToolResult);
    },
    onCustomEvent({ event }) {
      if (event.name === "chart") {
        const { toolCallId, chart } = event.value as { toolCallId: string; chart: ChartSpec };
        listener.charted(toolCallId, chart);
      }
    },
    onRunFinishedEvent(params) {
      if (params.outcome === "interrupt") {
        const question = params.interrupts.find((each) => each.reason === "input_required");
        end(() => (question ? listener.questionAsked(question) : listener.approvalNeeded(params.interrupts)));
        return;
      }
      const result = params.event.result as {
        message_id: string;
        agent_name: string;
        latency_ms: number;
        finish: string;
        usage_warning?: string;
        unverified_figures?: string[];
        citations?: Citation[];
        cached_at?: string;
      };
      const usage = params.event.usage?.[0];
      const { title } = params.state as { title?: string };
      if (title) {
        listener.titled(title);
      }
      end(() =>
        listener.finished({
          messageId: result.message_id,
          agentName: result.agent_name,
          modelId: usage?.model ?? modelId,
          latencyMs: result.latency_ms,
          finish: result.finish,
          warning: result.usage_warning ?? "",
          unverified: result.unverified_figures ?? [],
          citations: result.citations ?? [],
          cachedAt: result.cached_at ?? "",
          tokens: (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
        }),
      );
    },
    onRunErrorEvent({ event }) {
      const retryAfter = Number(event.metadata?.["retry_after"]) || 0;
      end(() => (event.code === "abort" ? listener.stopped() : listener.failed(event.message, retryAfter)));
    },
  };
}

/** What a refused request said, in the product's own words. */
function sentence(failure: unknown): string {
  const payload = (failure as { payload?: { detail?: string } }).payload;
  return payload?.detail ?? CUT_OFF;
}
