# What an external load balancer lets in. No rules against SQL in bodies: questions about SQL are what the product is for,
# and its own guard decides what runs.

locals {
  throttled = {
    key = {
      priority    = 1000
      description = "At most so many requests of one API key a minute."
      expression  = "has(request.headers['x-api-key'])"
      header      = "X-API-Key"
      count       = var.requests_per_minute_per_key
    }
    # The key of a client of OpenAI's API, and of one that signs in at Google.
    bearer = {
      priority    = 1010
      description = "At most so many requests of one token a minute."
      expression  = "has(request.headers['authorization'])"
      header      = "Authorization"
      count       = var.requests_per_minute_per_key
    }
    address = {
      priority    = 1020
      description = "At most so many requests without a key of one address a minute."
      expression  = "true"
      header      = null
      count       = var.requests_per_minute_per_address
    }
  }
}

resource "google_compute_security_policy" "edge" {
  for_each = local.external ? toset(["this"]) : toset([])

  project     = var.project_id
  name        = var.name_prefix
  description = "Bounds what one key may send, and one address without a key, before any key is looked at."
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

  # Callers are servers, and one address may speak for many organisations: what has a key is counted by it.
  dynamic "rule" {
    for_each = local.throttled

    content {
      priority    = rule.value.priority
      action      = "throttle"
      description = rule.value.description

      match {
        expr {
          expression = rule.value.expression
        }
      }

      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"

        enforce_on_key_configs {
          enforce_on_key_type = rule.value.header == null ? "IP" : "HTTP_HEADER"
          enforce_on_key_name = rule.value.header
        }

        rate_limit_threshold {
          count        = rule.value.count
          interval_sec = 60
        }
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
