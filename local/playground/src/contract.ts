// What the HTTP contract says, as far as this page reads it.

export interface Organization {
  slug: string;
  name: string;
  key: string;
  people: Person[];
}

/** Somebody who may sign in at the local issuer. */
export interface Person {
  user_id: string;
  name: string;
  role: string;
}

/** The caller as the product knows them. */
export interface Caller {
  user_id: string;
  name: string | null;
  role: string;
  permissions: string[];
}

export interface Switch {
  enabled?: boolean;
  roles?: string[] | null;
}

/** The rules of an organisation for agents and tools; what is not named is on. */
export interface AgentRules {
  agents: Record<string, Switch>;
  tools: Record<string, Switch>;
  own: { name: string; description: string }[];
  features: Record<string, boolean>;
}

export interface AgentSettings {
  version: number;
  rules: AgentRules;
  available: { agents: { name: string; starts: boolean }[]; tools: { name: string }[] };
}

export interface ApiKey {
  key_id: string;
  name: string | null;
  active: boolean;
  scopes: string[];
}

export interface Issuer {
  issuer_id: string;
  issuer: string;
  algorithm: string;
  audience: string;
}

export interface Member {
  user_id: string;
  role: string | null;
  blocked: boolean;
}

export interface Conversation {
  conversation_id: string;
  title: string;
  last_message_at: string;
  escalated: Escalation | null;
}

/** A conversation that was handed over to a person. */
export interface Escalation {
  at: string;
  by: string;
  reason: string;
  resolved_at: string | null;
  resolved_by: string | null;
}

export interface Hit {
  message_id: string;
  conversation_id: string;
  role: "user" | "assistant";
  snippet: string;
}

export type Rating = "up" | "down";

export interface Opinion {
  rating: Rating;
  reason?: string;
  comment?: string;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export type Row = Record<string, unknown>;

/** A tool as MCP lists it. */
export interface Tool {
  name: string;
  title: string;
  description: string;
}

/** What a tool answered: its envelope, of which an error has nothing but the error. */
export interface ToolResult {
  rows?: Row[];
  columns?: { name: string; type: string }[];
  row_count?: number;
  truncated?: boolean;
  summary?: Record<string, unknown>;
  sql?: string;
  parameters?: Record<string, unknown>;
  bytes_processed?: number;
  cached?: boolean;
  duration_ms?: number;
  chart?: ChartSpec;
  error?: { code: string; message: string };
}

export type ChartSpec = Record<string, unknown>;

/** A document of the organisation, and what has become of it. */
export interface DocumentEntry {
  document_id: string;
  name: string;
  bytes: number;
  state: "waiting" | "processing" | "ready" | "failed";
  reason: string | null;
  pages: number | null;
  passages: number;
  reindexing: boolean;
  created_at: string;
}

/** A document that was announced: where its bytes go, null where they are there already. */
export interface UploadStarted extends DocumentEntry {
  upload_url: string | null;
  headers: Record<string, string>;
}

/** A passage of a document that an answer names as [number]. */
export interface Citation {
  number: number;
  document_id: string;
  document: string;
  page: number | string | null;
  heading: string;
  excerpt: string;
}

export interface StoredMessage {
  message_id: string;
  role: "user" | "assistant";
  content: string;
  status: "complete" | "cancelled";
  agent_name: string | null;
  model_id: string | null;
  latency_ms: number | null;
  finish: string | null;
  unverified_figures: string[];
  citations: Citation[];
  /** When it was made, of an answer that was given again without a model. */
  cached_at: string | null;
  feedback: Opinion | null;
  tool_calls: ToolCall[];
  tool_results: { id: string; result: ToolResult }[];
  usage: { input_tokens: number | null; output_tokens: number | null } | null;
}

export type UsageGroup = "model" | "user" | "agent" | "day" | "channel";

/** Sums of what was used; the cost is null where no price is known. */
export interface UsageFigures {
  turns: number;
  input_tokens: number;
  output_tokens: number;
  estimated_tokens: number;
  unpriced_tokens: number;
  estimated_cost_usd: number | null;
}

/** One provider's estimate and its own bill, of one month. */
export interface Billed {
  provider: string;
  estimated_cost_usd: number | null;
  billed_cost: number;
  currency: string;
  last_day: string;
}

export interface Ceiling {
  whose: "organization" | "person";
  of: "tokens_per_day" | "usd_per_month";
  limit: number;
  used: number;
  percent: number;
}

type UsageNames = Partial<Record<"provider" | "model_id" | "user_id" | "agent_name" | "day" | "channel", string | null>>;

export interface Usage {
  scope: "organization" | "own";
  by: UsageGroup;
  rows: (UsageFigures & UsageNames)[];
  truncated: boolean;
  totals: UsageFigures;
  bill: Billed[] | null;
  ceilings: Ceiling[];
}

export interface SettingsStatus {
  configured: boolean;
  provider?: string;
  model_id?: string;
}

export type Severity = "info" | "warning" | "critical";

/** An alert rule, as list_alerts shows it. */
export interface AlertRule {
  rule_id: string;
  name: string;
  status: "active" | "paused" | "disabled";
  paused_by: string | null;
  severity: Severity;
  rule_category: string;
  rule_type: string;
  threshold: number | null;
  currency: string | null;
  percent: number | null;
  fires_when: string;
  problem: string | null;
  muted_until: string | null;
  period: string | null;
  conditions: string;
  provider_filter: string[];
  hierarchy_entity_id: string | null;
  quiet_hours: string | null;
  notify_channel_ids: string[];
  last_triggered_at: string | null;
}

/** An alert that fired, as alert_history shows it. */
export interface FiredAlert {
  alert_history_id: string;
  created_at: string;
  rule_name: string | null;
  rule_id: string;
  severity: Severity;
  status: string;
  value: number | null;
  threshold: number | null;
  unit: string | null;
  window_key: string | null;
  resolved_at: string | null;
  acknowledged_by: string | null;
  acknowledged_note: string | null;
  condition_results: string | null;
}

export type DestinationKind = "webhook" | "slack" | "teams" | "email";

/** A place that notices are sent to; never its secret, and of a URL no more than the host. */
export interface Destination {
  destination_id: string;
  kind: DestinationKind;
  name: string;
  address: string;
  active: boolean;
  off_reason: string | null;
}

export interface Delivery {
  delivery_id: string;
  state: "waiting" | "delivered" | "failed";
  attempts: number;
  error: string | null;
  created_at: string;
}

/** A summary of a week or a month that is sent when it is over. */
export interface Digest {
  digest_id: string;
  name: string;
  cadence: "weekly" | "monthly";
  weekday: string | null;
  day: number | null;
  hour: number;
  time_zone: string;
  team: string | null;
  filters: Row[];
  destinations: string[];
  next_at: string;
  last_sent_at: string | null;
  last_period: string | null;
}
