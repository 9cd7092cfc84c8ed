variable "aiven_api_token" {
  description = "An API token of the account. Give it as TF_VAR_aiven_api_token in the environment, never in a file."
  type        = string
  sensitive   = true
}

variable "project" {
  description = "The project the services are made in. It has to exist."
  type        = string
}

variable "prefix" {
  description = "What the names of the services begin with."
  type        = string
  default     = "kirc"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.prefix))
    error_message = "A prefix has 1 to 31 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "plans" {
  description = "Plans by name, such as { kafka = \"business-4\" }. A service without one gets its free plan. Read when a service is made; an existing one changes its plan in the console or with avn."
  type = object({
    kafka  = optional(string)
    pg     = optional(string)
    valkey = optional(string)
  })
  default = {}
}

variable "cloud_name" {
  description = "Cloud and region of all services, such as do-fra. null: the first with the free plan; the project's own for a plan that is named."
  type        = string
  default     = null
}

variable "replication" {
  description = "Copies of each topic. The free plan has two nodes, and the cloud refuses fewer than two."
  type        = number
  default     = 2

  validation {
    condition     = var.replication >= 2
    error_message = "The cloud refuses topics with fewer than two copies."
  }
}

variable "retention" {
  description = "How long topics keep their records: hours or days, such as 72h or 7d. Members keep what was said for longer, in their stores."
  type        = string
  default     = "72h"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,3}[hd]$", var.retention))
    error_message = "A retention is a number of hours or days: 72h, 7d."
  }
}

variable "topic_settings" {
  description = "Whether topics get settings of their own. false, if the plan refuses them; kirc then falls back to its members' clocks, with caps."
  type        = bool
  default     = true
}

variable "native_acls" {
  description = "Whether rights are Kafka's own rules. false, if the plan refuses them: the cloud's rules, which open consumer groups (kirc has none) to all who may read."
  type        = bool
  default     = true
}
