// One answer on the page: who speaks, the work behind it, charts, text, and what can be done with it.
import type { Interrupt } from "@ag-ui/client";
import { linkCitations, sources } from "./citations";
import { button, el, iconButton } from "./dom";
import { Feedback } from "./feedback";
import { ago, bytes, count, seconds } from "./format";
import { Prose } from "./markdown";
import { chips, followUps } from "./refine";
import { share } from "./share";
import { planCard } from "./plan";
import { markUnverified, unverifiedNote } from "./unverified";
import { untilNow } from "./waiting";
import { listedChoices, questionCard } from "./question";
import { Work } from "./work";
import type { ChartSpec, Opinion, StoredMessage, ToolResult } from "./contract";
import type { Finished, RunListener } from "./thread";

/** What is said below an answer that did not end by itself. */
const ENDS: Record<string, string | undefined> = {
  length: "Cut off at the model's output limit: the rest is missing.",
  refused: "The model refused to answer this.",
};

export interface AnswerActions {
  /** Ask something else in the same conversation. */
  ask(question: string): void;
  retry(): void;
  again(): void;
  decide(interrupts: Interrupt[], approved: boolean): void;
  rate(messageId: string, opinion: Opinion): Promise<void>;
  titled(title: string): void;
  /** Nothing more comes for now. */
  ended(): void;
}

export class Answer implements RunListener {
  readonly #agent = el("span", { class: "agent" });
  readonly #doing = el("span", { class: "doing" }, "Thinking …");
  readonly #chips = el("div", { class: "refining" });
  readonly #work = el("div", { class: "works" });
  readonly #charts = el("div", { class: "charts" });
  readonly #prose = new Prose();
  readonly #plans = el("div", { class: "plans" });
  readonly #after = el("div", { class: "after" });
  readonly element = el(
    "article",
    { class: "answer", "aria-label": "Answer", "aria-busy": "true" },
    el("header", {}, this.#agent, this.#doing),
    this.#chips,
    this.#work,
    this.#charts,
    this.#prose.element,
    this.#plans,
    this.#after,
  );
  readonly #calls = new Map<string, Work>();
  #bytes = 0;
  #sources: HTMLElement | null = null;

  constructor(
    readonly question: string,
    readonly organization: string,
    readonly actions: AnswerActions,
  ) {}

  /** Show an answer of the past. */
  restore(message: StoredMessage): void {
    const results = new Map(message.tool_results.map((each) => [each.id, each.result]));
    this.agentChanged(message.agent_name ?? "");
    for (const call of message.tool_calls) {
      this.callStarted(call.id, call.name, call.arguments);
      this.callFinished(call.id, results.get(call.id) ?? { error: { code: "", message: "Its result was not kept." } });
    }
    this.said(message.content);
    if (!message.content.trim() && !message.tool_calls.length) {
      this.#unanswered();
      return;
    }
    if (message.finish === "approval") {
      this.#approve(["Nothing is changed before."], (approved) => this.actions.ask(approved ? "yes" : "no"));
      return;
    }
    if (message.finish === "question") {
      this.#ask(listedChoices(message.content), false);
      return;
    }
    if (message.status === "cancelled") {
      this.stopped();
      return;
    }
    const feedback = this.#end(message.message_id, {
      modelId: message.model_id ?? "",
      latencyMs: message.latency_ms ?? 0,
      finish: message.finish ?? "stop",
      unverified: message.unverified_figures,
      citations: message.citations,
      cachedAt: message.cached_at ?? "",
      tokens: (message.usage?.input_tokens ?? 0) + (message.usage?.output_tokens ?? 0),
    });
    if (message.feedback) {
      feedback.show(message.feedback.rating);
    }
  }

  titled(title: string): void {
    this.actions.titled(title);
  }

  agentChanged(name: string): void {
    this.#agent.textContent = name;
  }

  said(text: string): void {
    this.#doing.textContent = "";
    this.#prose.add(text);
  }

  callStarted(id: string, name: string, args: string): void {
    if (this.#calls.has(id)) {
      return;
    }
    const work = new Work(name, args);
    this.#calls.set(id, work);
    this.#work.append(work.element);
    this.#charts.append(work.charts);
    this.#doing.textContent = `Asking ${name} …`;
  }

  callFinished(id: string, result: ToolResult): void {
    this.#calls.get(id)?.finish(result);
    const plan = planCard(result);
    if (plan) {
      this.#plans.replaceChildren(plan);
    }
    this.#bytes += result.cached ? 0 : (result.bytes_processed ?? 0);
    this.#doing.textContent = "Writing …";
  }

  charted(id: string, chart: ChartSpec): void {
    this.#calls.get(id)?.draw(chart);
  }

  approvalNeeded(interrupts: Interrupt[]): void {
    const calls = interrupts.map((each) => this.#calls.get(each.toolCallId ?? ""));
    const decide = (approved: boolean) => {
      calls.forEach((work) => work?.element.removeAttribute("open"));
      this.element.setAttribute("aria-busy", "true");
      this.#doing.textContent = approved ? "Doing it …" : "Leaving it …";
      this.#prose.add("\n\n");
      this.actions.decide(interrupts, approved);
    };
    calls.forEach((work) => work?.element.setAttribute("open", ""));
    this.#approve(interrupts.map((each) => each.message ?? "This changes what is stored. Allow it?"), decide);
  }

  questionAsked(interrupt: Interrupt): void {
    const { choices, multiple } = (interrupt.metadata ?? {}) as { choices?: string[]; multiple?: boolean };
    this.#ask(choices ?? [], multiple ?? false);
  }

  /** Offer the choices of a question below it, once. */
  #ask(choices: string[], multiple: boolean): void {
    const card = questionCard(choices, multiple, (text) => this.actions.ask(text));
    this.#after.replaceChildren(...(choices.length ? [card] : []));
    this.#settle();
    this.#doing.textContent = choices.length ? "Choose, or answer in your own words." : "Answer in your own words.";
    card.querySelector("button")?.focus();
  }

  /** Ask for a yes below the answer, once. */
  #approve(questions: string[], decided: (approved: boolean) => void): void {
    const decide = (approved: boolean) => {
      card.remove();
      decided(approved);
    };
    const card = el(
      "div",
      { class: "approval", role: "group", "aria-label": "Approval" },
      ...questions.map((each) => el("p", {}, each)),
      el(
        "div",
        { class: "row" },
        button("Approve", () => decide(true), { class: "primary" }),
        button("Deny", () => decide(false)),
      ),
    );
    this.#after.replaceChildren(card);
    this.#settle();
    this.#doing.textContent = "Waiting for your approval. Nothing is changed before.";
    card.querySelector("button")?.focus();
  }

  /** Something was said after it: if it asked for a yes, that says what became of it. */
  settled(): void {
    this.#after.querySelector(".approval")?.remove();
    this.#doing.textContent = "";
  }

  /** What waits for a decision waits no longer. */
  leave(): void {
    if (this.#after.querySelector(".approval")) {
      this.#doing.textContent = "";
    }
    this.#after.querySelector(".asked")?.remove();
    this.#after.querySelector(".approval")?.replaceWith(el("p", { class: "note" }, "Not approved: nothing was changed."));
  }

  finished(end: Finished): void {
    this.agentChanged(end.agentName);
    this.#end(end.messageId, end);
    if (end.warning) {
      this.#after.prepend(el("p", { class: "note", role: "status" }, end.warning));
    }
  }

  stopped(): void {
    this.#after.replaceChildren(
      el("p", { class: "note", role: "status" }, "Stopped. What was said so far is kept."),
      el("div", { class: "row" }, button("Ask again", () => this.actions.again())),
    );
    this.#settle();
  }

  /** Nothing was said: a change that was to be made is made in none but the run that asked for it. */
  #unanswered(): void {
    this.#after.replaceChildren(
      el("p", { class: "note", role: "status" }, "No answer is kept: it waited for an approval, or did not come to its end."),
      el("div", { class: "row" }, button("Ask again", () => this.actions.again())),
    );
    this.#settle();
  }

  failed(message: string, retryAfter = 0): void {
    const retry = button("Try again", () => this.#retry(), { class: "primary" });
    this.#after.replaceChildren(
      el("p", { class: "problem", role: "alert" }, message),
      el("div", { class: "row" }, retry, untilNow(retry, retryAfter)),
    );
    this.#settle();
  }

  dispose(): void {
    this.#calls.forEach((work) => work.dispose());
  }

  #retry(): void {
    this.dispose();
    this.actions.retry();
  }

  #end(messageId: string, end: Pick<Finished, "modelId" | "latencyMs" | "tokens" | "finish" | "unverified" | "citations" | "cachedAt">): Feedback {
    const feedback = new Feedback((opinion) => this.actions.rate(messageId, opinion));
    const facts = [
      end.modelId,
      seconds(end.latencyMs),
      this.#bytes ? `${bytes(this.#bytes)} read` : "",
      end.tokens ? count(end.tokens, "token") : "",
      end.cachedAt && `the answer of ${ago(end.cachedAt)}, given again`,
    ];
    const said = facts.filter(Boolean).join(" · ");
    this.element.dataset["messageId"] = messageId;
    const note = ENDS[end.finish];
    const unverified = unverifiedNote(end.unverified);
    this.#sources = sources(end.citations, messageId);
    this.#after.replaceChildren(
      ...(note ? [el("p", { class: "note", role: "status" }, note)] : []),
      ...(unverified ? [unverified] : []),
      ...(this.#sources ? [this.#sources] : []),
      el(
        "footer",
        {},
        el("span", { class: "facts" }, said),
        iconButton("share", "Save answer as a file", () => this.#share(said)),
        iconButton("copy", "Copy answer", () => void navigator.clipboard.writeText(this.#prose.text)),
        iconButton("again", "Ask again", () => this.actions.again()),
        ...feedback.buttons,
      ),
      feedback.form,
      this.#refine(),
    );
    this.#settle();
    markUnverified(this.#prose.element, end.unverified);
    linkCitations(this.#prose.element, end.citations, messageId);
    return feedback;
  }

  /** Offer what could be asked next: chips above the answer, and questions below it. */
  #refine(): HTMLElement {
    const told = [...this.#calls.values()].flatMap((work) => (work.subject ? [{ work, subject: work.subject }] : []));
    const last = told.at(-1);
    if (!last) {
      return el("div", { hidden: true });
    }
    const ask = (question: string) => this.actions.ask(question);
    this.#chips.replaceChildren(chips(last.subject, last.work.result, ask));
    const questions = followUps(last.subject, last.work.result);
    return el(
      "div",
      { class: "follow-ups", role: "group", "aria-label": "Ask next", hidden: !questions.length },
      ...questions.map((each) => button(each, () => ask(each), { class: "chip" })),
    );
  }

  #share(facts: string): void {
    const { question, organization } = this;
    void share({ question, organization, facts, prose: this.#prose.element, sources: this.#sources, charts: this.#charts, works: [...this.#calls.values()] });
  }

  #settle(): void {
    this.#doing.textContent = "";
    this.#prose.flush();
    this.element.setAttribute("aria-busy", "false");
    this.actions.ended();
  }
}
