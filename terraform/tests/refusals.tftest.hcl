# What the variables refuse.

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

run "everybody_is_no_invoker" {
  command = plan
  variables { invokers = ["allUsers"] }
  expect_failures = [var.invokers]
}

run "anybody_with_an_account_is_no_invoker" {
  command = plan
  variables { invokers = ["allAuthenticatedUsers"] }
  expect_failures = [var.invokers]
}

run "nothing_is_public_without_cloud_armor" {
  command = plan
  variables { public_functions = ["send"] }
  expect_failures = [var.public_functions]
}

run "the_scheduler_s_function_is_never_public" {
  command = plan
  variables {
    load_balancer    = "external"
    public_functions = ["sync"]
  }
  expect_failures = [var.public_functions]
}

run "a_function_that_is_none_is_not_public" {
  command = plan
  variables {
    load_balancer    = "external"
    public_functions = ["sends"]
  }
  expect_failures = [var.public_functions]
}

run "a_load_balancer_needs_a_domain" {
  command = plan
  variables { domain = null }
  expect_failures = [var.domain]
}

run "a_laptop_is_not_deployed" {
  command = plan
  variables { environment = "local" }
  expect_failures = [var.environment]
}

run "a_key_is_rotated_within_90_days" {
  command = plan
  variables { key_rotation_days = 91 }
  expect_failures = [var.key_rotation_days]
}

run "a_turn_fits_into_a_request" {
  command = plan
  variables { streaming_timeout_seconds = 240 }
  expect_failures = [var.streaming_timeout_seconds]
}

run "no_origin_is_a_wildcard" {
  command = plan
  variables { cors_origins = ["*"] }
  expect_failures = [var.cors_origins]
}

run "authentication_cannot_be_switched_off" {
  command = plan
  variables { settings = { DISABLE_AUTH = "true" } }
  expect_failures = [var.settings]
}

run "an_emulator_cannot_be_set" {
  command = plan
  variables { settings = { KMS_EMULATOR_HOST = "127.0.0.1:1" } }
  expect_failures = [var.settings]
}

run "a_way_out_is_one_way" {
  command = plan
  variables { egress = { network = "n", connector = "c" } }
  expect_failures = [var.egress]
}

run "a_connector_has_its_range" {
  command = plan
  variables { egress = { network = "n", range = "10.0.0.0/24" } }
  expect_failures = [var.egress]
}

run "a_budget_names_its_account" {
  command = plan
  variables { budget = { billing_account = "mine", amount = 10 } }
  expect_failures = [var.budget]
}
