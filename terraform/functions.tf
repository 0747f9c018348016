resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  project      = var.project_id
  location     = var.region
  name         = local.names[each.key]
  description  = each.value.description
  kms_key_name = local.cmek_key

  build_config {
    runtime           = var.runtime
    entry_point       = each.value.entry_point
    service_account   = google_service_account.build.id
    docker_repository = google_artifact_registry_repository.images.id

    # The build compiles the modules, and its image gives every file this time. Compiled with this variable a module
    # is known by what it holds; without it each instance compiles all of them again when it starts.
    environment_variables = { SOURCE_DATE_EPOCH = "315532801" }

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.archive[each.key].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function[each.key].email
    vpc_connector                    = contains(local.callers, each.key) ? local.connector : null
    vpc_connector_egress_settings    = contains(local.callers, each.key) ? "ALL_TRAFFIC" : null
    ingress_settings                 = "ALLOW_INTERNAL_AND_GCLB"
    all_traffic_on_latest_revision   = true
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    timeout_seconds                  = each.value.timeout_seconds
    environment_variables            = merge(local.common_env, each.value.env)

    dynamic "secret_environment_variables" {
      for_each = contains(local.senders, each.key) ? local.secret_env : {}

      content {
        project_id = var.project_id
        key        = secret_environment_variables.key
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  dynamic "event_trigger" {
    for_each = each.key == "ingest" ? [google_storage_bucket.documents.name] : []

    content {
      trigger_region        = var.region
      event_type            = "google.cloud.storage.object.v1.finalized"
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = google_service_account.events.email

      event_filters {
        attribute = "bucket"
        value     = event_trigger.value
      }
    }
  }

  depends_on = [
    google_project_iam_member.storage_events,
    google_project_iam_member.events,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_sources,
    google_artifact_registry_repository_iam_member.build,
    google_kms_crypto_key_iam_member.agent,
  ]
}

locals {
  # A function of the 2nd generation is a Cloud Run service of the same name.
  urls = { for name, function in google_cloudfunctions2_function.function : name => function.service_config[0].uri }
}

resource "google_cloud_run_service_iam_member" "invoker" {
  for_each = {
    for pair in setproduct(local.served, var.invokers) : "${pair[0]}/${pair[1]}" => {
      function = pair[0]
      member   = pair[1]
    }
  }

  project  = var.project_id
  location = var.region
  service  = google_cloudfunctions2_function.function[each.value.function].name
  role     = "roles/run.invoker"
  member   = each.value.member
}

# Where the operator opts in, an API key is enough. Ingress stays as it is: only the external load balancer leads here.
resource "google_cloud_run_service_iam_member" "public" {
  # checkov:skip=CKV_GCP_102:Only for functions that the operator names, behind Cloud Armor; each call needs an API key.
  for_each = var.public_functions

  project  = var.project_id
  location = var.region
  service  = google_cloudfunctions2_function.function[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_cloud_run_service_iam_member" "scheduler" {
  for_each = local.scheduled

  project  = var.project_id
  location = var.region
  service  = google_cloudfunctions2_function.function[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}
