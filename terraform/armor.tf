# What an external load balancer lets in. No rules against SQL in bodies: questions about SQL are what the product is for,
# and its own guard decides what runs.

resource "google_compute_security_policy" "edge" {
  for_each = local.external ? toset(["this"]) : toset([])

  project     = var.project_id
  name        = var.name_prefix
  description = "Bounds what one address may send, before any key is looked at."
  type        = "CLOUD_ARMOR"

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }

  rule {
    priority    = 900
    action      = "deny(403)"
    description = "Known exploits such as Log4Shell."

    match {
      expr {
        expression = "evaluatePreconfiguredExpr('cve-canary')"
      }
    }
  }

  rule {
    priority    = 1000
    action      = "throttle"
    description = "At most so many requests of one address a minute."

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = var.requests_per_minute_per_address
        interval_sec = 60
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "allow"
    description = "Everything else: Cloud Run asks for an ID token unless the function is public, the product for an API key."

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
