resource "aiven_pg" "kirc" {
  project      = data.aiven_project.this.project
  cloud_name   = module.pg_plan.cloud
  plan         = module.pg_plan.plan
  service_name = "${var.prefix}-pg"

  lifecycle {
    # What the cloud offers changes; an existing service must neither move nor shrink because of it.
    ignore_changes = [cloud_name, plan]
  }
}

resource "aiven_pg_database" "kirc" {
  project       = aiven_pg.kirc.project
  service_name  = aiven_pg.kirc.service_name
  database_name = "kirc"
}

locals {
  # All keys and pub/sub channels of kirc begin with it, and its user reaches no other.
  valkey_prefix = "kirc:"
}

resource "aiven_valkey" "kirc" {
  project      = data.aiven_project.this.project
  cloud_name   = module.valkey_plan.cloud
  plan         = module.valkey_plan.plan
  service_name = "${var.prefix}-valkey"

  valkey_user_config {
    valkey_ssl                  = true
    valkey_acl_channels_default = "resetchannels"
  }

  lifecycle {
    # What the cloud offers changes; an existing service must neither move nor shrink because of it.
    ignore_changes = [cloud_name, plan]
  }
}

resource "aiven_valkey_user" "kirc" {
  project             = aiven_valkey.kirc.project
  service_name        = aiven_valkey.kirc.service_name
  username            = "kirc"
  valkey_acl_keys     = ["${local.valkey_prefix}*"]
  valkey_acl_channels = ["${local.valkey_prefix}*"]
  # The provider wants keys, categories and commands given together, if only as an empty list.
  valkey_acl_categories = ["+@all", "-@dangerous"]
  valkey_acl_commands   = []
}
