# What can be switched on.

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

run "keys_of_the_project_where_data_is" {
  command = plan

  variables {
    cmek              = true
    region            = "europe-west1"
    bigquery_location = "EU"
    firestore         = { location = "eur3" }
  }

  assert {
    condition     = toset(keys(google_kms_crypto_key.data)) == toset(["europe", "europe-west1"])
    error_message = "One key per location: BigQuery's EU and Firestore's eur3 are europe."
  }

  assert {
    condition     = toset(keys(google_kms_crypto_key_iam_member.agent)) == toset(keys(local.agents))
    error_message = "Each of Google's services that keeps data may use its key."
  }
}

run "no_key_of_the_project_where_none_is_wanted" {
  command = plan

  assert {
    condition     = length(google_kms_crypto_key.data) == 0 && length(google_kms_crypto_key_iam_member.agent) == 0
    error_message = "Google's own keys are used."
  }
}

run "spans_go_to_cloud_trace" {
  command = plan

  variables { tracing = true }

  assert {
    condition = alltrue([
      for function in google_cloudfunctions2_function.function : function.service_config[0].environment_variables["TRACING"] == "cloud"
    ])
    error_message = "Every function is told to."
  }

  assert {
    condition     = length(google_project_iam_member.spans) == 17
    error_message = "Every function may write spans."
  }
}

run "spans_go_to_one_place" {
  command = plan

  variables {
    tracing  = true
    settings = { OTEL_EXPORTER_OTLP_ENDPOINT = "https://collector.example.com" }
  }

  expect_failures = [var.tracing]
}

run "a_given_network_is_used" {
  command = plan

  variables {
    network = { id = "projects/p/global/networks/n", subnetwork = "projects/p/regions/us-central1/subnetworks/s" }
  }

  assert {
    condition     = length(google_compute_network.chat) == 0 && length(google_compute_subnetwork.proxies) == 0
    error_message = "Nothing is made in it."
  }

  assert {
    condition     = google_compute_global_forwarding_rule.chat["this"].network == "projects/p/global/networks/n"
    error_message = "The load balancer is in it."
  }
}

run "models_are_called_from_an_address_that_stays" {
  command = plan

  variables { egress = { network = "projects/my-project/global/networks/n" } }

  assert {
    condition = alltrue([
      for name, function in google_cloudfunctions2_function.function :
      contains(local.callers, name) == (function.service_config[0].vpc_connector_egress_settings == "ALL_TRAFFIC")
    ])
    error_message = "Who calls models leaves through the network, and nobody else."
  }

  assert {
    condition     = contains(local.callers, "send") && length(google_compute_address.egress) == 1 && one(google_compute_router_nat.egress).nat_ip_allocate_option == "MANUAL_ONLY"
    error_message = "There is one address."
  }
}

run "a_given_connector_is_used" {
  command = plan

  variables { egress = { connector = "projects/p/locations/us-central1/connectors/c" } }

  assert {
    condition     = google_cloudfunctions2_function.function["send"].service_config[0].vpc_connector == "projects/p/locations/us-central1/connectors/c" && length(google_vpc_access_connector.egress) == 0
    error_message = "Nothing is made beside it."
  }
}

run "a_public_function_is_called_without_a_token_through_cloud_armor_only" {
  command = plan

  variables {
    load_balancer    = "external"
    public_functions = ["send", "mcp"]
  }

  assert {
    condition     = { for name, grant in google_cloud_run_service_iam_member.public : name => [grant.service, grant.role, grant.member] } == { send = ["chat-send", "roles/run.invoker", "allUsers"], mcp = ["chat-mcp", "roles/run.invoker", "allUsers"] }
    error_message = "Everybody may call what is named, and may do nothing else."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.service_config[0].ingress_settings == "ALLOW_INTERNAL_AND_GCLB"])
    error_message = "Nobody comes past the load balancer."
  }

  assert {
    condition     = output.endpoints["/mcp"].public && !output.endpoints["/api/v1/chat/{org_slug}/conversations"].public
    error_message = "Callers are told which calls go without a token."
  }
}

run "nothing_is_public_unless_it_is_named" {
  command = plan

  variables { load_balancer = "external" }

  assert {
    condition     = length(google_cloud_run_service_iam_member.public) == 0
    error_message = "An external load balancer alone opens nothing."
  }
}

run "the_relays_password_comes_from_secret_manager_to_who_sends" {
  command = plan

  variables {
    smtp_password_secret = "mail-relay"
    settings             = { SMTP_HOST = "smtp.example.com", SMTP_FROM = "alerts@example.com" }
  }

  assert {
    condition = toset([
      for name, function in google_cloudfunctions2_function.function : name
      if length(function.service_config[0].secret_environment_variables) > 0
    ]) == toset(["deliver", "destinations"])
    error_message = "Who sends has the password, and nobody else."
  }

  assert {
    condition     = toset(keys(google_secret_manager_secret_iam_member.smtp)) == toset(["deliver", "destinations"])
    error_message = "Who has it may read it."
  }

  assert {
    condition     = contains(keys(google_project_service.service), "secretmanager.googleapis.com")
    error_message = "Secret Manager is switched on."
  }
}
