// The open conversation: its messages, and the run that adds to them.
import { Answer, type AnswerActions } from "./answer";
import { askedQuestion } from "./asked";
import type { Api } from "./api";
import { button, el } from "./dom";
import { Thread } from "./thread";
import { welcome } from "./welcome";
import type { Escalation } from "./contract";

export interface ChatEvents {
  escalated(state: Escalation | null): void;
  titled(title: string): void;
  busy(busy: boolean): void;
  /** The questions so far, for those who want one back. */
  asked(questions: string[]): void;
  /** A question, asked so many ``times`` before, was written anew: it goes on in a branch. */
  branch(old: string, times: number, question: string): void;
}

export class Chat {
  readonly element = el("div", { class: "chat", role: "log", "aria-label": "Conversation", "aria-live": "polite" });
  readonly #thread: Thread;
  readonly #answers: Answer[] = [];
  readonly #questions: string[] = [];
  #running = false;
  #closed = false;

  constructor(
    readonly api: Api,
    readonly conversationId: string,
    readonly events: ChatEvents,
  ) {
    this.#thread = new Thread(api, conversationId);
  }

  /** Show the suggested questions, below what there is to say first. */
  begin(note = ""): void {
    const said = note && el("p", { class: "missing", role: "status" }, note);
    this.element.replaceChildren(...[said, welcome(this.api.organization, (question) => this.ask(question))].filter((each) => each !== ""));
  }

  /** Say what there is to know before the next question, and ask it. */
  askAfter(note: Node, question: string): void {
    this.element.append(note);
    this.ask(question);
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
    this.events.escalated(conversation.escalated);
    let question = "";
    for (const message of messages) {
      if (message.role === "user") {
        question = message.content;
        this.#answers.at(-1)?.settled();
        this.element.append(this.#asked(question, message.message_id));
      } else {
        this.#answers.at(-1)?.settled();
        this.#append(question, "").restore(message);
      }
    }
    if (messages.at(-1)?.role === "user") {
      this.element.append(this.#unanswered(question));
    }
  }

  ask(question: string): void {
    if (this.#running) {
      return;
    }
    this.element.querySelectorAll(".welcome, .missing, .unanswered").forEach((each) => each.remove());
    this.#answers.at(-1)?.leave();
    const shown = this.#asked(question, null);
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
      ask: (another) => this.ask(another),
      decide: (interrupts, approved) => {
        this.#busy(true);
        void this.#thread.resume(interrupts, approved, answer).then(() => this.#readState());
      },
      rate: (messageId, opinion) => this.api.giveFeedback(this.conversationId, messageId, opinion),
      titled: (title) => this.#closed || this.events.titled(title),
      ended: () => this.#busy(false),
    };
    const answer = new Answer(question, this.api.organization.name, actions);
    this.#answers.push(answer);
    this.element.append(answer.element);
    return answer;
  }

  /** What was allowed may have been a hand-over to a person. */
  async #readState(): Promise<void> {
    const { conversation } = await this.api.history(this.conversationId);
    if (!this.#closed) {
      this.events.escalated(conversation.escalated);
    }
  }

  #busy(busy: boolean): void {
    this.#running = busy;
    if (!this.#closed) {
      this.events.busy(busy);
    }
  }

  #asked(question: string, messageId: string | null): HTMLElement {
    const times = this.#questions.filter((each) => each === question).length;
    this.#questions.push(question);
    this.events.asked(this.#questions);
    return askedQuestion(question, messageId, (another) => this.events.branch(question, times, another));
  }

  /** A question whose answer was never finished: it waited for an approval, or the connection ended. */
  #unanswered(question: string): HTMLElement {
    return el(
      "div",
      { class: "unanswered row" },
      el("p", { class: "note" }, "No answer is kept: it waited for an approval, or did not come to its end."),
      button("Ask again", () => this.ask(question)),
    );
  }
}
