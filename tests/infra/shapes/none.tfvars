# No load balancer, nothing warm, and a budget.
project_id      = "a-project"
name_prefix     = "lean"
min_instances   = 0
invokers        = ["serviceAccount:frontend@a-project.iam.gserviceaccount.com"]
load_balancer   = "none"
firestore       = { database = "lean" }
shared_dataset  = { id = "lean" }
catalog_dataset = "lean_catalog"
budget          = { billing_account = "012345-6789AB-CDEF01", amount = 500, currency = "EUR" }
