output "endpoints" {
  description = "By original path: the address to call, the audience that an ID token must name, and whether a call goes without one."
  value = merge([
    for name, function in local.functions : {
      for path in function.routes : path => {
        function = local.names[name]
        url      = "${coalesce(local.public_url, local.urls[name])}${local.public_url == null ? "/" : path}"
        audience = local.urls[name]
        public   = contains(var.public_functions, name)
      }
    }
  ]...)
}

output "urls" {
  description = "Each function's own address, where it takes the organisation from X-Org-Slug; sync, alerts and health of the scheduler too."
  value       = local.urls
}

output "service_accounts" {
  description = "Whom each function acts as, who builds them, who calls sync, alerts and health."
  value = merge(
    { for name, account in google_service_account.function : name => account.email },
    { build = google_service_account.build.email, scheduler = google_service_account.scheduler.email },
  )
}

output "tenant_readers" {
  description = "The accounts that read an organisation's dataset, as the command org create takes them."
  value       = join(",", [for name in local.tenant_readers : google_service_account.function[name].email])
}

output "load_balancer" {
  description = "What the domain's A record must say, and the record that proves the domain for its certificate."
  value = var.load_balancer == "none" ? null : {
    kind    = var.load_balancer
    domain  = var.domain
    address = google_compute_global_forwarding_rule.chat["this"].ip_address
    record  = google_certificate_manager_dns_authorization.chat["this"].dns_resource_record[0]
  }
}

output "token_key" {
  description = "The key that wraps the secrets of token issuers, for the operator's commands."
  value       = local.token_key_name
}

output "provider_key" {
  description = "The KMS key that wraps provider keys."
  value       = local.provider_key_name
}

output "scheduler_jobs" {
  description = "The scheduler's jobs; running health's is a smoke test from inside."
  value       = { for name, job in google_cloud_scheduler_job.job : name => job.name }
}

output "region" {
  description = "Where the functions and the scheduler's jobs are."
  value       = var.region
}

output "egress_address" {
  description = "The address that model providers see, where one is kept for that."
  value       = try(google_compute_address.egress[0].address, null)
}
