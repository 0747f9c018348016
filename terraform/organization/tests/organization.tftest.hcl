mock_provider "google" {}

variables {
  project_id        = "my-project"
  org_slug          = "acme_inc"
  service_account   = "chat-acme-inc@my-project.iam.gserviceaccount.com"
  readers           = ["chat-send@my-project.iam.gserviceaccount.com", "chat-mcp@my-project.iam.gserviceaccount.com"]
  view_dataset      = "acme_inc_shared"
  views             = { org_usage_quotas = { query = "SELECT 1 FROM t WHERE org_slug = 'acme_inc'" } }
  authorized_on     = "organizations"
  data_viewer_on    = ["acme_inc_prod", "acme_inc_shared"]
  bigquery_location = "US"
  kms_key_name      = null
}

run "its_account_reads_its_data_and_its_views" {
  command = plan

  assert {
    condition     = toset(keys(google_bigquery_dataset_iam_member.organization)) == toset(["acme_inc_prod", "acme_inc_shared"])
    error_message = "And nothing else."
  }

  assert {
    condition     = toset([for each in google_service_account_iam_member.reader : each.member]) == toset([for each in var.readers : "serviceAccount:${each}"])
    error_message = "Who runs tools or reads bills may act as it, and nobody else."
  }

  assert {
    condition     = google_bigquery_dataset_access.views.dataset_id == "organizations" && length(google_bigquery_table.view) == 1
    error_message = "Its dataset of views is authorised on the shared one."
  }
}

run "without_an_account_there_are_views_alone" {
  command = plan

  variables {
    service_account = null
    readers         = []
  }

  assert {
    condition     = length(google_service_account.organization) + length(google_bigquery_dataset_iam_member.organization) + length(google_service_account_iam_member.reader) == 0
    error_message = "Nobody is granted anything."
  }
}

run "anothers_data_is_refused" {
  command = plan

  variables { data_viewer_on = ["acme_inc_prod", "globex_inc_prod"] }

  expect_failures = [var.data_viewer_on]
}

run "the_shared_dataset_is_refused" {
  command = plan

  variables { data_viewer_on = ["organizations"] }

  expect_failures = [var.data_viewer_on]
}

run "a_view_of_another_organisation_is_refused" {
  command = plan

  variables { views = { org_usage_quotas = { query = "SELECT 1 FROM t WHERE org_slug = 'globex_inc'" } } }

  expect_failures = [var.views]
}

run "an_account_of_another_project_is_refused" {
  command = plan

  variables { service_account = "chat-acme-inc@elsewhere.iam.gserviceaccount.com" }

  expect_failures = [var.service_account]
}

run "an_account_that_nobody_acts_as_is_refused" {
  command = plan

  variables { readers = [] }

  expect_failures = [var.readers]
}

run "everybody_is_no_reader" {
  command = plan

  variables { readers = ["allUsers"] }

  expect_failures = [var.readers]
}
