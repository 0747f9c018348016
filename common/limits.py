"""Every bound of the system, named once. Sizes in bytes, times in seconds, unless a name says otherwise."""

# A request
MAX_BODY_BYTES = 256 * 1024
MAX_MESSAGE_CHARS = 10_000
MAX_ID_CHARS = 64
MAX_USER_ID_CHARS = 128
MAX_API_KEY_CHARS = 512
HEARTBEAT_SECONDS = 15.0

# A conversation
TITLE_CHARS = 80
RECENT_WINDOW_MESSAGES = 50
RECENT_WINDOW_BYTES = 400_000
# A turn renews its lease while it runs. One that was silent for so long has lost it: a crash costs no more than that.
LEASE_SECONDS = 30.0
LEASE_RENEW_SECONDS = 7.0
LEASE_CALL_SECONDS = 5.0

MESSAGE_BYTES = 900_000
PAGE_DEFAULT = 50
PAGE_MAX = 200
# As JSON in JSON it may take several times as much, of the 32 MiB that a response may have.
PAGE_BYTES = 4_000_000
NEW_TITLE_CHARS = 100
CURSOR_CHARS = 1_000
EXPORT_PAGE = 100
SEARCH_CHARS = 200
SEARCH_DEFAULT = 20
SEARCH_MAX = 50
SEARCH_CONVERSATIONS = 100
SNIPPET_CHARS = 160
FEEDBACK_REASON_CHARS = 100
FEEDBACK_COMMENT_CHARS = 2_000
JOIN_SECONDS = 60.0
JOIN_POLL_SECONDS = 0.25
# How long Firestore keeps what the record has, and how long it is then trusted to hold a user's whole list.
HOT_DAYS = 30
LISTED_DAYS = 20
WARMED_CONVERSATIONS = 400

# The record
SYNC_SECONDS = 40.0
SYNC_READ = 200
SYNC_BATCH_ROWS = 100
SYNC_BATCH_BYTES = 4_000_000
SYNC_AT_ONCE = 8
SYNC_STATEMENT_SECONDS = 30.0
# Renewed whenever it holds for less than two statements more: a sync that was killed holds the next one up for so long.
SYNC_LEASE_SECONDS = 75.0
SYNC_GIVE_BACK_SECONDS = 30.0
SYNC_REFUSALS = 60
SYNC_FIRST_RETRY_SECONDS = 120
# Instances' clocks may differ by so much.
CLOCK_SKEW_SECONDS = 330
SYNC_LAST_RETRY_SECONDS = 86_400
OUTBOX_OLD_SECONDS = 900
PURGES_PER_SYNC = 20
RETENTION_CHECK_HOURS = 24
RETENTION_ORGS_PER_SYNC = 5

# On SIGTERM: what a turn may take to store what was said, and when the server ends whatever else still runs (Cloud Run
# kills after 10 s)
STOP_TURN_SECONDS = 4.0
STOP_SERVER_SECONDS = 8.0

# Turns at a time on one instance, and how long one waits for its place
TURNS_PER_INSTANCE = 100
TURNS_PER_ORG = 20
QUEUE_SECONDS = 15.0
QUEUE_RETRY_SECONDS = 5

# A turn
TURN_SECONDS = 240.0
MAX_STEPS = 8
MAX_TOOL_CALLS = 16
MAX_IDENTICAL_CALLS = 2
MAX_TURN_TOKENS = 200_000
TOOL_SECONDS = 60.0
TOOL_ARGUMENT_CHARS = 20_000
TOOL_RESULT_CHARS = 60_000
STORED_TOOL_RESULTS_CHARS = 200_000
AUDIT_RESULT_CHARS = 4_000

# A model call; litellm's import, which takes a core for seconds, begins so long after the first request
MODEL_WARM_SECONDS = 0.5
MODEL_CONNECT_SECONDS = 10.0
MODEL_FIRST_TOKEN_SECONDS = 60.0
MODEL_BETWEEN_TOKENS_SECONDS = 30.0
# A reasoning model says nothing while it thinks.
MODEL_REASONING_SECONDS = 150.0
MODEL_TOTAL_SECONDS = 210.0
MODEL_CLOSE_SECONDS = 1.0
MODEL_ATTEMPTS = 3
MODEL_BACKOFF_SECONDS = 0.5
# The longest Retry-After that is waited for here, and the longest that is passed on to the caller.
MODEL_RETRY_AFTER_SECONDS = 10
MODEL_RETRY_AFTER_TOLD_SECONDS = 3600
# A model that thought until its output limit is asked once more with so many times the limit.
MODEL_ROOM_FOR_THOUGHTS = 4
MODEL_ERROR_BYTES = 64 * 1024
MODEL_CONNECTIONS = 500
MODEL_IDLE_SECONDS = 60.0
# A smaller window would not hold the product's own prompt and tools.
LOCAL_WINDOW_LEAST = 2_048
# Of a provider's address: so many failures in a row within the time keep calls away from it, for longer each time
BREAKER_FAILURES = 5
BREAKER_WINDOW_SECONDS = 60.0
BREAKER_OPEN_SECONDS = 15.0
BREAKER_LONGEST_SECONDS = 120.0
# A provider that says nothing for so long no longer holds the place of its turn
MODEL_SILENT_SECONDS = 5.0
MAX_FALLBACKS = 2
CHARS_PER_TOKEN = 4
PROMPT_TOKENS = 6_000

# Open protocols; an AG-UI client sends all it has seen of the thread with every run
MAX_RUN_BODY_BYTES = 8 * 1024**2
RUN_RESULT_CHARS = 20_000
MAX_CLIENT_TOOLS = 32
CLIENT_TOOL_CHARS = 20_000
CLIENT_RESULT_CHARS = 60_000
PENDING_RESULT_CHARS = 400_000
PENDING_THOUGHT_CHARS = 200_000
PENDING_BYTES = 900_000
PENDING_DAYS = 7
PROMPT_ARGUMENT_CHARS = 200

# The warehouse
DEFAULT_MAX_BYTES_BILLED = 10 * 1024**3
QUERY_SECONDS = 60.0
# Of one query that a model wrote: half an hour of one slot, many times what 10 GiB take, and how often it is looked at.
QUERY_SLOT_SECONDS = 1_800.0
SLOT_CHECK_SECONDS = 2.0
LOOKUP_SECONDS = 10.0
WAREHOUSE_CALL_SECONDS = 20.0
WAREHOUSE_RETRY_SECONDS = 8.0
WAREHOUSE_GRACE_SECONDS = 2.0
WAREHOUSE_CANCEL_SECONDS = 5.0
MAX_RESULT_ROWS = 500
MAX_RESULT_BYTES = 1_000_000
# A thread waits while a query runs: enough of them for all turns of an instance that query at the same time
WAREHOUSE_THREADS = 256
LOOKUP_THREADS = 32
STOP_THREADS = 2
DRY_RUN_ERROR_CHARS = 500
DRY_RUNS_REMEMBERED = 2_000
IMPERSONATED_CLIENTS = 64
RESULT_CACHE_SECONDS = 180.0
RESULT_CACHE_TENANTS = 16
RESULT_CACHE_ENTRIES = 64
RESULT_CACHE_ENTRY_BYTES = 500_000
RESULT_CACHE_BYTES = 2_000_000

# Charts: inline data, bars before the rest is one bar, bars of a query, points that are seen, points of several
# lines, and text below a title
CHART_BYTES = 64_000
CHART_BARS = 10
CHART_QUERY_BARS = 20
CHART_POINTS = 62
CHART_SERIES_POINTS = 450
CHART_LINE_CHARS = 100

# Explorer tools
MAX_SQL_CHARS = 16_000
MAX_LISTED_TABLES = 100
TABLES_READ_AT_ONCE = 8
MAX_TABLE_COLUMNS = 300
SAMPLE_COLUMNS = 100
SAMPLE_VALUES = 20
SAMPLE_VALUE_CHARS = 80
SAMPLE_BYTES = 256 * 1024**2
SAMPLE_DAYS = 31

# Firestore and KMS
DOCUMENTS_SECONDS = 10.0
KEY_SERVICE_SECONDS = 10.0
KEY_SERVICE_ATTEMPT_SECONDS = 4.0
MAX_WRITES_PER_COMMIT = 200
# Firestore takes 10 MiB at a time.
MAX_BYTES_PER_COMMIT = 8_000_000
CACHE_RETENTION_DAYS = 7
UNKNOWN_KEY_SECONDS = 10.0
UNKNOWN_KEYS_REMEMBERED = 10_000
UNKNOWN_KEY_LOOKUPS_PER_MINUTE = 300

# What a caller may send
MESSAGES_PER_MINUTE = 15
COUNTER_RETENTION_HOURS = 48
COUNTERS_REMEMBERED = 10_000

# An organisation's settings
PROVIDER_KEY_MIN_CHARS = 8
PROVIDER_KEY_MAX_CHARS = 512
CREDENTIAL_NAME_CHARS = 100
MODEL_ID_CHARS = 128
MAX_TEMPERATURE = 2.0
MAX_ANSWER_TOKENS = 200_000
SYSTEM_PROMPT_EXTRA_CHARS = 4_000
KEY_CHECK_SECONDS = 30.0
KEY_CHECK_TOKENS = 64
KEY_CHECK_REASONING_TOKENS = 1_024

# Readiness
READINESS_SECONDS = 3.0
READINESS_CACHE_SECONDS = 5.0

# Telemetry
LOG_VALUE_CHARS = 300
TRACE_EXPORT_SECONDS = 5.0
TRACE_PAUSE_SECONDS = 1.0

# Cost tools
MAX_GROUPS = 500
MAX_DRIVERS = 20
MAX_DRIVER_DAYS = 90
MAX_HORIZON_DAYS = 90
MAX_RANGE_DAYS = 3 * 366
MAX_FORECAST_DAYS = 400
FORECAST_HISTORY_DAYS = 400
FORECAST_MIN_DAYS = 14
FORECAST_GROUPS = 20
# Days that are rows of their own; beyond them, months. And days before today that a chart shows at least.
FORECAST_DAY_ROWS = 92
FORECAST_DRAWN_DAYS = 28

# Anomalies: the days before the period that say what is usual, values that are judged, and what is told of them
ANOMALY_DAYS = 400
ANOMALY_HISTORY_DAYS = 120
ANOMALY_GROUPS = 100
MAX_ANOMALIES = 30
ANOMALY_CAUSES = 3
ANOMALY_LINES = 5

# Budget tools
MAX_BUDGETS = 200
# Days of costs that budgets are held against and projected from, and how long ago a budget may have ended.
BUDGET_DAYS = 400
BUDGET_ENDED_DAYS = 366
BUDGET_PROBLEMS = 50

# Alert tools
ALERT_NAME_CHARS = 100
ALERT_ID_CHARS = 200
MAX_ALERTS = 100
MAX_ALERT_RULES = 500
ALERT_COOLDOWN_MINUTES = 720
MAX_ENTITIES_NAMED = 20

# Usage tools
SUBSCRIPTION_DAYS = 400
MAX_CONSUMERS = 20
MAX_PIPELINE_RUNS = 50
PIPELINE_RUN_DAYS = 366
PIPELINE_MESSAGE_CHARS = 500
