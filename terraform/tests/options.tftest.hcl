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
  min_instances                   = 1
  max_instances                   = 20
  streaming_timeout_seconds       = 600
  settings                        = {}
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
  tenant_datasets                 = {}
  boundary                        = {}
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
    condition     = length(google_project_iam_member.spans) == 11
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

run "an_organisation_with_an_account_is_read_as_that_account" {
  command = plan

  variables {
    settings        = { WAREHOUSE_IMPERSONATION = "chat-{org_slug}@my-project.iam.gserviceaccount.com" }
    tenant_datasets = { acme_inc = {}, globex_inc = {} }
    boundary = {
      acme_inc = {
        view_dataset    = "acme_inc_shared"
        service_account = "chat-acme-inc@my-project.iam.gserviceaccount.com"
        views           = { org_usage_quotas = { query = "SELECT 1" } }
        authorized_on   = "organizations"
        data_viewer_on  = ["acme_inc_prod", "acme_inc_shared"]
      }
    }
  }

  assert {
    condition     = toset([for grant in google_bigquery_dataset_iam_member.tenant_reader : grant.dataset_id]) == toset(["globex_inc_prod"])
    error_message = "The functions themselves read nothing of it."
  }

  assert {
    condition     = toset([for grant in google_bigquery_dataset_iam_member.organization : grant.dataset_id]) == toset(["acme_inc_prod", "acme_inc_shared"])
    error_message = "Its account reads its data and its views."
  }

  assert {
    condition     = toset(keys(google_service_account_iam_member.impersonation)) == toset([for name in ["send", "copilotkit", "completions", "a2a", "mcp", "usage"] : "${name}/acme_inc"])
    error_message = "Who runs tools or reads bills may act as it, and nobody else."
  }
}

run "an_account_without_its_pattern_serves_nobody" {
  command = plan

  variables {
    boundary = {
      acme_inc = {
        view_dataset    = "acme_inc_shared"
        service_account = "chat-acme-inc@my-project.iam.gserviceaccount.com"
        views           = {}
        authorized_on   = "organizations"
        data_viewer_on  = []
      }
    }
  }

  expect_failures = [var.boundary]
}

run "a_tenant_dataset_is_made_with_its_tables" {
  command = plan

  variables {
    tenant_datasets = { acme_inc = { create = true }, globex_inc = {} }
  }

  assert {
    condition     = toset(keys(google_bigquery_table.tenant)) == toset(["acme_inc/business_drivers_daily", "acme_inc/cost_data_standard_1_3", "acme_inc/genai_usage_daily_unified"])
    error_message = "The tables of the schema files, for the tenant that asks for it."
  }
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
