resource "aiven_kafka" "kirc" {
  project      = data.aiven_project.this.project
  cloud_name   = module.kafka_plan.cloud
  plan         = module.kafka_plan.plan
  service_name = "${var.prefix}-kafka"
  # Without this everybody may do everything until the first rule is made.
  default_acl = false

  # Kafka REST stays off, as it is by default: it ignores the rights below.
  kafka_user_config {
    kafka_authentication_methods {
      certificate = true
      sasl        = true
    }
    kafka_sasl_mechanisms {
      plain         = false
      scram_sha_256 = true
      scram_sha_512 = true
    }
  }

  lifecycle {
    # What the cloud offers changes; an existing service must neither move nor shrink because of it.
    ignore_changes = [cloud_name, plan]
  }
}

# The topics and the rights of contacts. src/setup/rights.rs says the same to the program, and tests/terraform.rs holds
# the two together.
locals {
  partitions = 2
  topics = {
    "data-in"  = { peer = ["Write"], timestamps = "CreateTime" }
    "data-out" = { peer = ["Read", "Write"], timestamps = "LogAppendTime" }
    "rpc-in"   = { peer = ["Write"], timestamps = "CreateTime" }
    "rpc-out"  = { peer = ["Read"], timestamps = "CreateTime" }
  }

  peer_rights = { for right in flatten([
    for topic, it in local.topics : [for operation in it.peer : { topic = topic, operation = operation }]
  ]) : "${right.topic} ${right.operation}" => right }

  hours        = tonumber(trimsuffix(trimsuffix(var.retention, "h"), "d")) * (endswith(var.retention, "d") ? 24 : 1)
  retention_ms = tostring(local.hours * 3600000)
}

resource "aiven_kafka_topic" "mailbox" {
  for_each     = local.topics
  project      = aiven_kafka.kirc.project
  service_name = aiven_kafka.kirc.service_name
  topic_name   = each.key
  partitions   = local.partitions
  replication  = var.replication

  config {
    retention_ms           = var.topic_settings ? local.retention_ms : null
    message_timestamp_type = var.topic_settings ? each.value.timestamps : null
  }
}

resource "aiven_kafka_user" "owner" {
  project      = aiven_kafka.kirc.project
  service_name = aiven_kafka.kirc.service_name
  username     = "${var.prefix}-owner"
}

# One user for all contacts: the free plan has few. To end the access of one, give this user a new password.
resource "aiven_kafka_user" "peer" {
  project      = aiven_kafka.kirc.project
  service_name = aiven_kafka.kirc.service_name
  username     = "${var.prefix}-peer"
}

# The owner may make its four topics anew where the cloud lost them, and no other.
resource "aiven_kafka_native_acl" "owner" {
  for_each        = var.native_acls ? local.topics : {}
  project         = aiven_kafka.kirc.project
  service_name    = aiven_kafka.kirc.service_name
  principal       = "User:${aiven_kafka_user.owner.username}"
  host            = "*"
  resource_type   = "Topic"
  resource_name   = each.key
  pattern_type    = "LITERAL"
  operation       = "All"
  permission_type = "ALLOW"
}

# There is nothing on consumer groups: kirc keeps its positions in its store.
resource "aiven_kafka_native_acl" "peer" {
  for_each        = var.native_acls ? local.peer_rights : {}
  project         = aiven_kafka.kirc.project
  service_name    = aiven_kafka.kirc.service_name
  principal       = "User:${aiven_kafka_user.peer.username}"
  host            = "*"
  resource_type   = "Topic"
  resource_name   = each.value.topic
  pattern_type    = "LITERAL"
  operation       = each.value.operation
  permission_type = "ALLOW"
}

resource "aiven_kafka_acl" "owner" {
  for_each     = var.native_acls ? {} : local.topics
  project      = aiven_kafka.kirc.project
  service_name = aiven_kafka.kirc.service_name
  topic        = each.key
  username     = aiven_kafka_user.owner.username
  permission   = "readwrite"
}

resource "aiven_kafka_acl" "peer" {
  for_each     = var.native_acls ? {} : local.topics
  project      = aiven_kafka.kirc.project
  service_name = aiven_kafka.kirc.service_name
  topic        = each.key
  username     = aiven_kafka_user.peer.username
  permission   = lower(join("", sort(each.value.peer)))
}
