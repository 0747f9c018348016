"""Every bound of the system, named once. Sizes in bytes, times in seconds, unless a name says otherwise."""

# A request
# Its first line and its headers
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024
MAX_BODY_VALUES = 50_000
BODY_SECONDS = 30.0
MAX_MESSAGE_CHARS = 10_000
MAX_ID_CHARS = 64
MAX_USER_ID_CHARS = 128
MAX_API_KEY_CHARS = 512
MAX_TOKEN_CHARS = 8_192
HEARTBEAT_SECONDS = 15.0

# A conversation
# Earlier messages that an organisation may have its model see; it sees more of them until they are summarised
MAX_HISTORY_MESSAGES = 50
RECENT_WINDOW_MESSAGES = 100
RECENT_WINDOW_BYTES = 400_000
# What a summary of earlier messages may have, and how long one may be written
SUMMARY_CHARS = 2_000
SUMMARY_SECONDS = 60.0
# A turn renews its lease while it runs. One that was silent for so long has lost it: a crash costs no more than that.
LEASE_SECONDS = 30.0
LEASE_RENEW_SECONDS = 7.0
LEASE_CALL_SECONDS = 5.0
# When to come back to a conversation in which another message is being answered: most answers take so long.
BUSY_RETRY_SECONDS = 5

MESSAGE_BYTES = 900_000
MAX_FORK_MESSAGES = 500
PAGE_DEFAULT = 50
PAGE_MAX = 200
NEW_TITLE_CHARS = 100
SEARCH_CHARS = 200
SEARCH_DEFAULT = 20
SEARCH_MAX = 50
FEEDBACK_REASON_CHARS = 100
FEEDBACK_COMMENT_CHARS = 2_000
JOIN_SECONDS = 60.0
# How long Firestore keeps what the record has, and how long it is then trusted to hold a user's whole list.
HOT_DAYS = 30
WARMED_CONVERSATIONS = 400

# The record
SYNC_READ = 2_000
SYNC_STATEMENT_SECONDS = 30.0
SYNC_LAST_RETRY_SECONDS = 86_400
OUTBOX_OLD_SECONDS = 900

# Turns at a time on one instance, and how long one waits for its place
TURNS_PER_INSTANCE = 100
TURNS_PER_ORG = 20
QUEUE_SECONDS = 15.0
# Requests of one caller that are opened at a time, and how long the next one waits at most
OPENINGS_OF_ONE = 16
BURST_SECONDS = 5.0

# A turn
TURN_SECONDS = 240.0
MAX_STEPS = 8
MAX_TOOL_CALLS = 16
MAX_IDENTICAL_CALLS = 2
MAX_HANDOVERS = 3
MAX_TURN_TOKENS = 200_000
# Specialists that one agent asks at the same time, and in all; what each of them may take, and all of them together
MAX_CONSULTED = 4
MAX_CONSULTATIONS = 8
MAX_CONSULTED_STEPS = 5
MAX_CONSULTED_CALLS = 20
CONSULT_SECONDS = 120.0
CONSULTED_QUESTION_CHARS = 2_000
# A question back to the user, and how many in a row
ASKED_BACK_CHARS = 500
MAX_CHOICES = 5
CHOICE_CHARS = 200
MAX_ASKED_BACK = 3
TOOL_SECONDS = 60.0
# What waits for a reader; a turn whose reader takes nothing for so long is stopped
WAITING_CHARS = 100_000
READER_SECONDS = 30.0

# A model call
MODEL_TOTAL_SECONDS = 210.0
MODEL_CLOSE_SECONDS = 1.0
MODEL_ERROR_BYTES = 64 * 1024
# A reply that is longer, on the wire or in what it says, is cut as it is at the model's own output limit
MODEL_REPLY_BYTES = 32 * 1024**2
MODEL_EVENT_BYTES = 1024**2
MODEL_REPLY_CHARS = 1_000_000
MODEL_ARGUMENT_CHARS = 32_000
MODEL_TOOL_CALLS = 64
MAX_FALLBACKS = 2
CHARS_PER_TOKEN = 4

# Open protocols; an AG-UI client sends all it has seen of the thread with every run
MAX_RUN_BODY_BYTES = 8 * 1024**2
MAX_CLIENT_TOOLS = 32
CLIENT_TOOL_CHARS = 20_000
CLIENT_RESULT_CHARS = 60_000
CLIENT_CONTEXT_CHARS = 20_000
PENDING_DAYS = 7
# How long a change waits for the person's yes and a question for its answer, and how many one request may answer
APPROVAL_HOURS = 24
MAX_APPROVALS = 16

# The warehouse
DEFAULT_MAX_BYTES_BILLED = 10 * 1024**3
# Of the product's own statements: the tables that organisations share grow, and BigQuery's estimate for a clustered
# table is an upper bound
OWN_STATEMENT_BYTES = 1024**4
QUERY_SECONDS = 60.0
WAREHOUSE_CALL_SECONDS = 20.0
MAX_RESULT_ROWS = 500
MAX_RESULT_BYTES = 1_000_000

# Charts: inline data, bars before the rest is one bar, bars of a query, points that are seen, points of several
CHART_QUERY_BARS = 20

# Explorer tools
MAX_SQL_CHARS = 16_000
MAX_LISTED_TABLES = 100
SAMPLE_VALUES = 20
SAMPLE_VALUE_CHARS = 80
SAMPLE_BYTES = 256 * 1024**2
SAMPLE_DAYS = 31

# Firestore and KMS
MAX_WRITES_PER_COMMIT = 200

# What a person and an organisation may send in a minute, unless the operator says otherwise
MESSAGES_PER_MINUTE = 15
ORG_MESSAGES_PER_MINUTE = 120
MCP_CALLS_PER_MINUTE = 60
SEARCHES_PER_MINUTE = 60
ORG_SEARCHES_PER_MINUTE = 240
SETTINGS_CHANGES_PER_MINUTE = 5
ORG_SETTINGS_CHANGES_PER_MINUTE = 10
UPLOADS_PER_MINUTE = 60
ORG_UPLOADS_PER_MINUTE = 240
DESTINATION_CHANGES_PER_MINUTE = 30
ORG_DESTINATION_CHANGES_PER_MINUTE = 60
ORG_FAILED_KEYS_PER_MINUTE = 60

# An organisation's settings
PROVIDER_KEY_MIN_CHARS = 8
PROVIDER_KEY_MAX_CHARS = 512
CREDENTIAL_NAME_CHARS = 100
MODEL_ID_CHARS = 128
MAX_TEMPERATURE = 2.0
MAX_ANSWER_TOKENS = 200_000
SYSTEM_PROMPT_EXTRA_CHARS = 4_000
MAX_TOKEN_LIMIT = 1_000_000_000_000
MAX_COST_LIMIT_USD = 10_000_000

# Readiness
READINESS_SECONDS = 3.0

# Cost tools
MAX_GROUPS = 500
MAX_DRIVERS = 20
MAX_DRIVER_DAYS = 90
MAX_HORIZON_DAYS = 90
MAX_RANGE_DAYS = 3 * 366
FORECAST_MIN_DAYS = 14

# Alert tools
ALERT_NAME_CHARS = 100
ALERT_ID_CHARS = 200
MAX_ALERTS = 100
MAX_ALERT_RULES = 500
MAX_ENTITIES_NAMED = 20

# Notices and where they are sent
MAX_DESTINATIONS = 20
MAX_DIGESTS = 20
ESCALATION_REASON_CHARS = 1_000
MAX_RECIPIENTS = 20
DESTINATION_NAME_CHARS = 100
NOTICE_TITLE_CHARS = 200
NOTICE_TEXT_CHARS = 4_000
MAX_NOTICE_FACTS = 20
# The messages about alerts to one destination in an hour, and as many of critical ones; those over it are summed up
ALERT_MESSAGES_PER_HOUR = 30
DELIVERY_DAYS = 90
# The pauses after each try of a delivery but the last, in minutes: 8 tries within 24 hours
DELIVERY_PAUSES = (1, 5, 15, 60, 180, 420, 720)
RETRY_AFTER_MOST_SECONDS = 12 * 3600
# A delivery is not tried after so many hours, however long its receiver asks to wait
DELIVERY_HOURS = 24
DELIVERY_LATE_SECONDS = 900
DEAD_DELIVERY_DAYS = 7

# How long an answer may be given again to the very same question, in seconds
ANSWER_CACHE_LEAST = 60
ANSWER_CACHE_MOST = 86_400

# Documents
MAX_DOCUMENT_BYTES = 100 * 1024**2
MAX_DOCUMENTS = 5_000
DOCUMENT_NAME_CHARS = 200
UPLOAD_MINUTES = 15
# What is read of one document: text beyond it makes it too large
MAX_DOCUMENT_CHARS = 5_000_000
MAX_DOCUMENT_PAGES = 2_000
# The memory and the CPU time of the process that reads one, and how long it may take on the clock
PARSING_BYTES = 256 * 1024**2
PARSING_CPU_SECONDS = 60
PARSING_SECONDS = 80.0
# Reading one document with its embedding, or a round of those that are due
INGEST_SECONDS = 500.0
# When readiness calls a document overdue: since its file arrived, and since somebody should have looked after it
DOCUMENT_OVERDUE_SECONDS = 1_800
DOCUMENT_ALONE_SECONDS = 900
PASSAGES_DEFAULT = 5
PASSAGES_MAX = 20
# Firestore's own bounds of a search by vector
NEAREST_MOST = 1_000
VECTOR_DIMENSIONS_MAX = 2_048

# Usage
MAX_USAGE_ROWS = 490
MAX_CONSUMERS = 20
MAX_PIPELINE_RUNS = 50
