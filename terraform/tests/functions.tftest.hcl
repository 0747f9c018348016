# Run offline: both providers are mocked, and nothing is made.

mock_provider "google" {}
mock_provider "archive" {}

# Every variable, so that no file of a deployment beside these tests changes what they see.
variables {
  project_id                      = "my-project"
  region                          = "us-central1"
  environment                     = "production"
  name_prefix                     = "chat"
  labels                          = {}
  runtime                         = "python311"
  turn_cpus                       = 1
  min_instances                   = 1
  max_instances                   = 20
  streaming_timeout_seconds       = 600
  settings                        = {}
  smtp_password_secret            = null
  cors_origins                    = []
  invokers                        = ["serviceAccount:frontend@my-project.iam.gserviceaccount.com"]
  public_functions                = []
  load_balancer                   = "internal"
  domain                          = "chat.example.com"
  network                         = null
  egress                          = null
  requests_per_minute_per_address = 600
  requests_per_minute_per_key     = 1200
  firestore                       = {}
  bigquery_location               = "US"
  shared_dataset                  = {}
  catalog_dataset                 = "catalog"
  deletion_protection             = true
  provider_key                    = {}
  key_rotation_days               = 90
  cmek                            = false
  tracing                         = false
  audit_data_access               = false
  alert_emails                    = []
  notification_channels           = []
  budget                          = null
  thresholds                      = {}
}

run "every_function_is_deployed_as_itself" {
  command = plan

  assert {
    condition     = length(google_cloudfunctions2_function.function) == 17
    error_message = "There are seventeen functions."
  }

  assert {
    condition = alltrue([
      for name, function in google_cloudfunctions2_function.function :
      function.build_config[0].entry_point == name && fileexists("../functions/${name}/main.py")
    ])
    error_message = "Each function's entry point is the one of its folder."
  }

  assert {
    condition = alltrue([
      for function in google_cloudfunctions2_function.function :
      function.service_config[0].ingress_settings == "ALLOW_INTERNAL_AND_GCLB"
    ])
    error_message = "No function is open to the internet."
  }

  assert {
    condition     = length(distinct([for account in google_service_account.function : account.account_id])) == 17
    error_message = "Each function has an account of its own."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["settings_status"].name == "chat-settings-status"
    error_message = "Functions have hyphens in their names."
  }
}

run "an_archive_holds_the_code_and_nothing_else" {
  command = plan

  assert {
    condition = alltrue([
      for name, files in local.archive_files : files["main.py"] == "functions/${name}/main.py" && alltrue([
        for file in keys(files) : startswith(file, "common/") || contains(["main.py", "requirements.txt"], file)
      ])
    ])
    error_message = "An archive holds main.py, requirements.txt and common/."
  }

  assert {
    condition     = length([for file in local.common_files : file if strcontains(file, "__pycache__") || endswith(file, ".pyc")]) == 0
    error_message = "Compiled files are left out: they would change the name of the archive."
  }

  assert {
    condition     = google_storage_bucket_object.archive["send"].name == "chat-send/${local.archive_hashes["send"]}.zip"
    error_message = "An archive is named by what it holds."
  }
}

run "the_scheduler_reaches_health_and_what_it_alone_starts" {
  command = plan

  assert {
    condition     = toset(keys(google_cloud_scheduler_job.job)) == toset(["alerts", "deliver", "health", "ingest", "sync"])
    error_message = "Five jobs."
  }

  assert {
    condition     = toset(keys(google_cloud_run_service_iam_member.scheduler)) == toset(["alerts", "deliver", "health", "ingest", "sync"])
    error_message = "The scheduler may call what it calls."
  }

  assert {
    condition     = length([for grant in google_cloud_run_service_iam_member.invoker : grant if contains(["chat-sync", "chat-alerts", "chat-deliver"], grant.service)]) == 0
    error_message = "Nobody but the scheduler calls sync, alerts and deliver."
  }
}

run "only_who_answers_or_embeds_opens_provider_keys" {
  command = plan

  assert {
    condition = toset([
      for grant, each in local.key_grants : each.function if each.role == "roles/cloudkms.cryptoKeyDecrypter"
    ]) == toset(["send", "copilotkit", "completions", "a2a", "mcp", "knowledge", "ingest"])
    error_message = "Only who answers or embeds opens provider keys."
  }

  assert {
    condition     = toset([for each in local.key_grants : each.function if each.role == "roles/cloudkms.cryptoKeyEncrypter"]) == toset(["settings_status"])
    error_message = "Only settings_status encrypts."
  }
}

run "a_platform_keeps_what_it_has" {
  command = plan

  variables {
    shared_dataset = { create_dataset = false, create_tables = ["org_chat_feedback"] }
    provider_key   = { create = false }
    firestore      = { create = false }
  }

  assert {
    condition     = length(google_bigquery_dataset.shared) == 0 && keys(google_bigquery_table.shared) == ["org_chat_feedback"]
    error_message = "Only the table that is asked for is made."
  }

  assert {
    condition     = length(google_kms_crypto_key.provider) == 0 && length(google_firestore_database.sessions) == 0
    error_message = "The key and the database are the platform's."
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.function) == 9
    error_message = "Roles on its key are given all the same."
  }
}

run "no_load_balancer_where_none_is_wanted" {
  command = plan

  variables {
    load_balancer = "none"
    domain        = null
  }

  assert {
    condition     = length(google_compute_url_map.chat) == 0 && length(google_compute_network.chat) == 0
    error_message = "Nothing of a load balancer is made."
  }
}

run "an_external_load_balancer_has_cloud_armor" {
  command = plan

  variables {
    load_balancer = "external"
  }

  assert {
    condition     = length(google_compute_security_policy.edge) == 1 && length(google_compute_network.chat) == 0
    error_message = "It has a policy, and needs no network."
  }

  assert {
    condition = join(" ", sort([
      for rule in google_compute_security_policy.edge["this"].rule : "${rule.priority} ${one(one(rule.rate_limit_options).enforce_on_key_configs).enforce_on_key_type}" if rule.action == "throttle"
    ])) == "1000 HTTP_HEADER 1010 HTTP_HEADER 1020 IP"
    error_message = "One key's flood is no other's: requests are counted by key, and by address only without one."
  }

  assert {
    condition     = alltrue([for service in google_compute_backend_service.function : service.load_balancing_scheme == "EXTERNAL_MANAGED"])
    error_message = "The scheme is explicit."
  }
}
