// The administrators' view: who may use the chat, what of it, and how much.
import type { Api } from "./api";
import { button, el } from "./dom";
import type { AgentRules, AgentSettings, Caller } from "./contract";

/** Show the administration of an organisation in a dialog, until it is closed. */
export function showAdministration(api: Api, caller: Caller): void {
  const place = el("div", { class: "usage", "aria-live": "polite" });
  const dialog = el(
    "dialog",
    { "aria-labelledby": "admin-title", class: "wide" },
    el("h2", { id: "admin-title" }, `Administration of ${api.organization.name}`),
    el("p", { class: "note" }, `You are ${caller.name ?? caller.user_id}, ${caller.role}.`),
    place,
    el("div", { class: "row end" }, button("Close", () => dialog.close(), { class: "primary" })),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  void refresh(api, place);
}

async function refresh(api: Api, place: HTMLElement, said = ""): Promise<void> {
  place.setAttribute("aria-busy", "true");
  const again = (sentence = "") => void refresh(api, place, sentence);
  try {
    const [agents, keys, issuers, members] = await Promise.all([
      api.agents(),
      api.keys(),
      api.issuers(),
      api.members(),
    ]);
    place.replaceChildren(
      ...(said ? [el("p", { role: "status" }, said)] : []),
      agentsAndTools(api, agents, again),
      section(
        "API keys",
        keys.map((key) =>
          line(
            `${key.name ?? key.key_id}: ${key.active ? "active" : "ended"}, ${key.scopes.join(", ")}`,
            key.active && button("Revoke", () => attempt(place, () => api.revokeKey(key.key_id).then(() => again()))),
          ),
        ),
        form("Make a key", [field("Name", "name")], ({ name }) =>
          attempt(place, async () => again(`The key, shown this once: ${(await api.makeKey(name ?? "")).key}`)),
        ),
      ),
      section(
        "Issuers of people's tokens",
        issuers.map((each) =>
          line(
            `${each.issuer}: ${each.algorithm}, for ${each.audience}`,
            button("Remove", () => attempt(place, () => api.removeIssuer(each.issuer_id).then(() => again()))),
          ),
        ),
        form(
          "Register an issuer",
          [field("Issuer", "issuer"), field("Audience", "audience"), field("Address of its keys", "jwks_url")],
          (given) =>
            attempt(place, () => api.addIssuer({ algorithm: "RS256", ...given }).then(() => again())),
        ),
      ),
      section(
        "Members",
        members.map((each) =>
          line(
            `${each.user_id}: ${each.blocked ? "blocked" : (each.role ?? "as the token says")}`,
            button("Remove", () => attempt(place, () => api.removeMember(each.user_id).then(() => again()))),
          ),
        ),
        form("Set a member", [field("Person", "user_id"), roles()], ({ user_id, role }) =>
          attempt(place, () =>
            api
              .setMember(user_id ?? "", role === "blocked" ? { blocked: true } : { role: role ?? "user" })
              .then(() => again()),
          ),
        ),
      ),
      section(
        "Limits",
        [],
        form(
          "Set limits",
          [field("Tokens a day", "daily_token_limit", "number"), field("Tokens a person a day", "user_daily_token_limit", "number")],
          (given) =>
            attempt(place, async () => {
              const named = Object.entries(given).filter(([, value]) => value !== "");
              await api.setLimits(Object.fromEntries(named.map(([name, value]) => [name, Number(value)])));
              again("The limits are set; Usage shows them.");
            }),
        ),
      ),
    );
  } catch (failure) {
    place.replaceChildren(problem(failure));
  }
  place.removeAttribute("aria-busy");
}

/** A box for each agent and tool: on, or off for everybody. */
function agentsAndTools(api: Api, settings: AgentSettings, again: (said?: string) => void): HTMLElement {
  const place = el("div", {});
  const change = (kind: "agents" | "tools", name: string, enabled: boolean) =>
    attempt(place, async () => {
      const rules: AgentRules = structuredClone(settings.rules);
      rules[kind][name] = { ...rules[kind][name], enabled };
      await api.setAgents({ ...rules, version: settings.version });
      again(`${name} is ${enabled ? "on" : "off"}.`);
    });
  const box = (kind: "agents" | "tools", name: string, fixed: boolean) => {
    const input = el("input", {
      type: "checkbox",
      checked: settings.rules[kind][name]?.enabled ?? true,
      disabled: fixed,
    });
    input.addEventListener("change", () => change(kind, name, input.checked));
    return el("label", {}, input, ` ${name} `);
  };
  const { agents, tools } = settings.available;
  place.append(
    el("h3", {}, "Agents"),
    ...agents.map((each) => box("agents", each.name, each.starts)),
    ...settings.rules.own.map((each) => line(`${each.name} (the organisation's own): ${each.description}`, false)),
    el("h3", {}, "Tools"),
    ...tools.map((each) => box("tools", each.name, false)),
  );
  return place;
}

function section(title: string, lines: HTMLElement[], ...after: HTMLElement[]): HTMLElement {
  return el("section", {}, el("h3", {}, title), ...lines, ...after);
}

function line(text: string, action: HTMLElement | false): HTMLElement {
  return el("p", { class: "row" }, el("span", {}, text), action);
}

function field(label: string, name: string, type = "text"): HTMLElement {
  return el("label", {}, el("span", {}, `${label} `), el("input", { name, type, min: type === "number" && 1 }));
}

function roles(): HTMLElement {
  const names = ["user", "supporter", "admin", "blocked"];
  return el("label", {}, el("span", {}, "Role "), el("select", { name: "role" }, ...names.map((each) => el("option", {}, each))));
}

function form(action: string, fields: HTMLElement[], done: (given: Record<string, string>) => void): HTMLElement {
  const made = el("form", { class: "row" }, ...fields, el("button", { type: "submit" }, action));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    done(Object.fromEntries([...new FormData(made)].map(([name, value]) => [name, String(value).trim()])));
  });
  return made;
}

function attempt(place: HTMLElement, action: () => Promise<void>): void {
  action().catch((failure) => place.prepend(problem(failure)));
}

function problem(failure: unknown): HTMLElement {
  return el("p", { class: "problem", role: "alert" }, (failure as Error).message);
}
