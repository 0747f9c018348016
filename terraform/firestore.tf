locals {
  # What may expire, by collection group; the outbox and what is to be purged never do.
  expiring = ["answers", "api_keys", "conversations", "counters", "deliveries", "deliveries_dead", "listed", "messages", "orgs", "pending"]

  # Large or never asked for: an index would only make writes slower, and dearer.
  unindexed = {
    chunks        = ["heading", "page", "text"]
    conversations = ["lease", "leased_at", "recent", "title"]
    deliveries    = ["notice"]
    messages      = ["content", "feedback", "tool_calls_json", "tool_results_json"]
    notices       = ["destinations"]
    orgs          = ["credential", "profile", "settings"]
    outbox        = ["created_at", "next_try_at", "row"]
    pending       = ["exchange", "place", "question", "tools", "waiting"]
  }
  unindexed_fields = merge([
    for collection, fields in local.unindexed : {
      for field in fields : "${collection}/${field}" => { collection = collection, field = field }
    }
  ]...)

  indexes = {
    # A caller's active conversations, newest first: list and search.
    conversations = { collection = "conversations", fields = [
      { field = "user_id", order = "ASCENDING" },
      { field = "status", order = "ASCENDING" },
      { field = "last_message_at", order = "DESCENDING" },
      { field = "__name__", order = "DESCENDING" },
    ] }
    # What was sent to a destination, newest first.
    deliveries = { collection = "deliveries", fields = [
      { field = "destination_id", order = "ASCENDING" },
      { field = "created_at", order = "DESCENDING" },
    ] }
    # What a purge takes out of the outbox first.
    outbox = { collection = "outbox", fields = [
      { field = "org_slug", order = "ASCENDING" },
      { field = "conversation_id", order = "ASCENDING" },
    ] }
    # What sync reads. It begins with the shard: times alone would all be written at one end of the index.
    outbox_due = { collection = "outbox", fields = [
      { field = "shard", order = "ASCENDING" },
      { field = "next_try_at", order = "ASCENDING" },
    ] }
  }

  firestore_database = var.firestore.create ? google_firestore_database.sessions[0].name : var.firestore.database
}

resource "google_firestore_database" "sessions" {
  count = var.firestore.create ? 1 : 0

  project                           = var.project_id
  name                              = var.firestore.database
  location_id                       = local.firestore_location
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"

  dynamic "cmek_config" {
    for_each = local.cmek_key_firestore[*]

    content {
      kms_key_name = cmek_config.value
    }
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

# A database that is not made here has its own.
resource "google_firestore_backup_schedule" "daily" {
  count = var.firestore.create ? 1 : 0

  project   = var.project_id
  database  = local.firestore_database
  retention = "${var.firestore.backup_days * 86400}s"

  daily_recurrence {}
}

# An index on an ever growing time makes one place of Firestore hot, and no query needs it.
resource "google_firestore_field" "expiry" {
  for_each = toset(local.expiring)

  project    = var.project_id
  database   = local.firestore_database
  collection = each.value
  field      = "expire_at"

  ttl_config {}
  index_config {}
}

resource "google_firestore_field" "unindexed" {
  for_each = local.unindexed_fields

  project    = var.project_id
  database   = local.firestore_database
  collection = each.value.collection
  field      = each.value.field

  index_config {}
}

resource "google_firestore_index" "query" {
  for_each = local.indexes

  project     = var.project_id
  database    = local.firestore_database
  collection  = each.value.collection
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path = fields.value.field
      order      = fields.value.order
    }
  }
}

# The nearest passages of an organisation's documents: an index for each length of vector that a space has.
resource "google_firestore_index" "vector" {
  for_each = toset(["384", "768", "1024", "1536"])

  project     = var.project_id
  database    = local.firestore_database
  collection  = "chunks"
  query_scope = "COLLECTION"

  fields {
    field_path = "space"
    order      = "ASCENDING"
  }

  fields {
    field_path = "__name__"
    order      = "ASCENDING"
  }

  fields {
    field_path = "embedding"

    vector_config {
      dimension = tonumber(each.value)

      flat {}
    }
  }
}

resource "google_project_iam_member" "documents" {
  for_each = local.functions

  project = var.project_id
  role    = each.value.documents
  member  = google_service_account.function[each.key].member

  condition {
    title      = "sessions of ${var.name_prefix}"
    expression = "resource.name == \"projects/${var.project_id}/databases/${var.firestore.database}\""
  }
}
