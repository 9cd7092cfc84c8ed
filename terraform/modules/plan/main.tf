# Which plan and region a service gets: the named ones, else its type's free plan and a region that has it. The names of
# free plans differ from type to type and change over time, so they are looked for among the offers, not written down.
# Nothing in here talks to a cloud: the tests call it with offers of their own.
terraform {
  required_version = ">= 1.7"
}

variable "service_type" {
  type = string
}

variable "offers" {
  type = list(object({
    plan   = string
    clouds = list(string)
  }))
}

variable "plan" {
  type    = string
  default = null
}

variable "cloud_name" {
  type    = string
  default = null
}

locals {
  free = [for offer in var.offers : offer if startswith(offer.plan, "free-")]
  # The list also names clouds that then refuse a free plan; these two take it.
  clouds = sort(flatten([for offer in local.free : [for c in offer.clouds : c if can(regex("^(do|upcloud)-", c))]]))
}

output "plan" {
  value = var.plan != null ? var.plan : one(local.free[*].plan)

  precondition {
    condition     = var.plan != null || length(local.free) == 1
    error_message = "Found ${length(local.free)} free plans for ${var.service_type}, and looked for one. Name a plan: plans = { ${var.service_type} = \"...\" }."
  }
}

output "cloud" {
  value = var.cloud_name != null || var.plan != null ? var.cloud_name : try(local.clouds[0], null)
}
