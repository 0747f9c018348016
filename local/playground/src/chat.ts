// The open conversation: its messages, and the run that adds to them.
import { Answer, type AnswerActions } from "./answer";
import type { Api } from "./api";
import { el } from "./dom";
import { Thread } from "./thread";
import { welcome } from "./welcome";
import type { StoredMessage } from "./contract";

export interface ChatEvents {
  titled(title: string): void;
  busy(busy: boolean): void;
}

export class Chat {
  readonly element = el("div", { class: "chat", role: "log", "aria-label": "Conversation", "aria-live": "polite" });
  readonly #thread: Thread;
  readonly #answers: Answer[] = [];
  #running = false;
  #closed = false;

  constructor(
    readonly api: Api,
    readonly conversationId: string,
    readonly events: ChatEvents,
  ) {
    this.#thread = new Thread(api, conversationId);
  }

  /** Show the suggested questions. */
  begin(): void {
    this.element.replaceChildren(welcome(this.api.organization, (question) => this.ask(question)));
  }

  /** Show what was said before. */
  async restore(): Promise<void> {
    this.element.replaceChildren(el("p", { class: "loading", role: "status" }, "Loading the conversation …"));
    const loading = this.api.history(this.conversationId).finally(() => this.element.replaceChildren());
    const { conversation, messages } = await loading;
    if (this.#closed) {
      return;
    }
    this.events.titled(conversation.title);
    let question = "";
    for (const message of messages) {
      if (message.role === "user") {
        question = message.content;
        this.element.append(asked(question, message));
      } else {
        this.#append(question, "").restore(message);
      }
    }
  }

  ask(question: string): void {
    if (this.#running) {
      return;
    }
    this.element.querySelector(".welcome")?.remove();
    this.#answers.at(-1)?.leave();
    const shown = asked(question);
    this.element.append(shown);
    this.#run(question, this.#thread.ask(question));
    shown.scrollIntoView({ block: "start" });
  }

  stop(): void {
    if (this.#running) {
      this.#thread.stop();
    }
  }

  /** Leave the conversation; an answer under way stops. */
  close(): void {
    this.#closed = true;
    this.stop();
    this.#answers.forEach((answer) => answer.dispose());
    this.element.remove();
  }

  show(messageId: string): void {
    const found = this.element.querySelector(`[data-message-id="${CSS.escape(messageId)}"]`);
    found?.classList.add("found");
    found?.scrollIntoView({ block: "start" });
  }

  #run(question: string, runId: string): void {
    const answer = this.#append(question, runId);
    this.#busy(true);
    void this.#thread.run(runId, answer);
  }

  #append(question: string, runId: string): Answer {
    const actions: AnswerActions = {
      retry: () => {
        // The same run: what the product has stored of it is not stored twice.
        answer.element.remove();
        this.#run(question, runId);
      },
      again: () => this.ask(question),
      decide: (interrupts, approved) => {
        this.#busy(true);
        void this.#thread.resume(interrupts, approved, answer);
      },
      rate: (messageId, opinion) => this.api.giveFeedback(this.conversationId, messageId, opinion),
      titled: (title) => this.#closed || this.events.titled(title),
      ended: () => this.#busy(false),
    };
    const answer = new Answer(actions);
    this.#answers.push(answer);
    this.element.append(answer.element);
    return answer;
  }

  #busy(busy: boolean): void {
    this.#running = busy;
    if (!this.#closed) {
      this.events.busy(busy);
    }
  }
}

function asked(question: string, message?: StoredMessage): HTMLElement {
  return el(
    "article",
    { class: "question", "aria-label": "You asked", "data-message-id": message?.message_id ?? null },
    question,
  );
}
