# On a platform that has its dataset, its tables, its KMS key, its Firestore database and its network already.
project_id        = "a-project"
domain            = "chat.example.com"
invokers          = ["serviceAccount:frontend@a-project.iam.gserviceaccount.com"]
network           = { id = "projects/a-project/global/networks/n", subnetwork = "projects/a-project/regions/us-central1/subnetworks/s" }
firestore         = { create = false }
shared_dataset    = { create_dataset = false, create_tables = ["org_chat_feedback"] }
provider_key      = { create = false }
bigquery_location = "US"
tracing           = true
