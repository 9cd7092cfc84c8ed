# The whole configuration against a provider that makes nothing.

mock_provider "aiven" {
  mock_data "aiven_project" {
    defaults = {
      ca_cert = "-----BEGIN CERTIFICATE-----\nMOCK\n-----END CERTIFICATE-----\n"
    }
  }
  mock_resource "aiven_kafka" {
    defaults = {
      # The port of client certificates stands first, as it does in the cloud.
      components = [
        {
          component                   = "kafka"
          host                        = "kirc-kafka.example"
          port                        = 11111
          connection_uri              = "kirc-kafka.example:11111"
          kafka_authentication_method = "certificate"
          kafka_ssl_ca                = "project_ca"
          route                       = "dynamic"
          ssl                         = true
          usage                       = "primary"
          privatelink_connection_id   = ""
        },
        {
          component                   = "kafka"
          host                        = "kirc-kafka.example"
          port                        = 12345
          connection_uri              = "kirc-kafka.example:12345"
          kafka_authentication_method = "sasl"
          kafka_ssl_ca                = "project_ca"
          route                       = "dynamic"
          ssl                         = true
          usage                       = "primary"
          privatelink_connection_id   = ""
        },
      ]
    }
  }
  mock_resource "aiven_kafka_user" {
    defaults = { password = "kafka-password" }
  }
  mock_resource "aiven_valkey" {
    defaults = { service_host = "kirc-valkey.example", service_port = 23456 }
  }
  mock_resource "aiven_valkey_user" {
    defaults = { password = "a/b@c" }
  }
  mock_resource "aiven_pg" {
    defaults = {
      service_host     = "kirc-pg.example"
      service_port     = 34567
      service_username = "avnadmin"
      service_password = "d:e?f"
    }
  }
}

# A block that only the cloud fills in can't be mocked, so the plans are given here; plan.tftest.hcl tests their choice.
override_module {
  target  = module.kafka_plan
  outputs = { plan = "free-0", cloud = "do-ams" }
}

override_module {
  target  = module.pg_plan
  outputs = { plan = "free-1-1gb", cloud = "do-lon" }
}

override_module {
  target  = module.valkey_plan
  outputs = { plan = "free-1", cloud = "upcloud-de-fra" }
}

variables {
  aiven_api_token = "unused"
  project         = "test-project"
}

run "topics" {
  assert {
    condition     = toset(keys(aiven_kafka_topic.mailbox)) == toset(["data-in", "data-out", "rpc-in", "rpc-out"])
    error_message = "A mailbox has four topics, and the free plan at most five."
  }
  assert {
    condition     = alltrue([for t in aiven_kafka_topic.mailbox : t.partitions == 2 && t.replication == 2])
    error_message = "The free plan has two partitions a topic and two copies of each."
  }
  assert {
    condition     = alltrue([for t in aiven_kafka_topic.mailbox : t.config[0].retention_ms == "259200000"])
    error_message = "Topics keep records for 72 hours unless told otherwise."
  }
  assert {
    condition = { for name, t in aiven_kafka_topic.mailbox : name => t.config[0].message_timestamp_type } == {
      "data-in" = "CreateTime", "data-out" = "LogAppendTime", "rpc-in" = "CreateTime", "rpc-out" = "CreateTime"
    }
    error_message = "The logs are stamped by the broker, the other topics by who writes."
  }
}

run "rights" {
  assert {
    condition = toset([for a in aiven_kafka_native_acl.peer : "${a.operation} ${a.resource_name}"]) == toset([
      "Write data-in", "Read data-out", "Write data-out", "Write rpc-in", "Read rpc-out",
    ])
    error_message = "A contact may append to data-in, rpc-in and data-out and read data-out and rpc-out, and no more."
  }
  assert {
    condition = alltrue([
      for a in concat(values(aiven_kafka_native_acl.peer), values(aiven_kafka_native_acl.owner)) :
      a.resource_type == "Topic" && a.pattern_type == "LITERAL" && a.permission_type == "ALLOW" && a.host == "*"
    ])
    error_message = "Rights are on single topics, by their full names."
  }
  assert {
    condition     = toset([for a in aiven_kafka_native_acl.peer : a.principal]) == toset(["User:kirc-peer"])
    error_message = "The rights of contacts go to the contacts' user alone."
  }
  assert {
    condition     = alltrue([for a in aiven_kafka_native_acl.owner : a.operation == "All" && a.principal == "User:kirc-owner"])
    error_message = "The owner may do everything with its topics."
  }
  assert {
    condition     = length(aiven_kafka_acl.owner) + length(aiven_kafka_acl.peer) == 0
    error_message = "The cloud's own rules are for plans that refuse Kafka's."
  }
  assert {
    condition     = aiven_kafka.kirc.default_acl == false
    error_message = "The cloud's first rule lets everybody do everything."
  }
  assert {
    condition = (
      toset(aiven_valkey_user.kirc.valkey_acl_keys) == toset(["kirc:*"]) &&
      toset(aiven_valkey_user.kirc.valkey_acl_channels) == toset(["kirc:*"]) &&
      contains(aiven_valkey_user.kirc.valkey_acl_categories, "-@dangerous")
    )
    error_message = "The user of the signals stays behind its prefix."
  }
}

run "env" {
  assert {
    condition = output.env == {
      KIRC_KAFKA               = "kirc-kafka.example:12345"
      KIRC_KAFKA_SECURITY      = "sasl_ssl"
      KIRC_KAFKA_MECHANISM     = "SCRAM-SHA-512"
      KIRC_KAFKA_USER          = "kirc-owner"
      KIRC_KAFKA_PASSWORD      = "kafka-password"
      KIRC_KAFKA_PEER_USER     = "kirc-peer"
      KIRC_KAFKA_PEER_PASSWORD = "kafka-password"
      KIRC_KAFKA_TOPICS        = "{kind}"
      KIRC_KAFKA_REPLICATION   = "2"
      KIRC_KAFKA_RETENTION     = "72h"
      KIRC_VALKEY              = "valkeys://kirc:a%2Fb%40c@kirc-valkey.example:23456"
      KIRC_VALKEY_PREFIX       = "kirc:"
      KIRC_POSTGRES            = "postgres://avnadmin:d%3Ae%3Ff@kirc-pg.example:34567/kirc?sslmode=verify-full"
    }
    error_message = "The lines of .env are not what kirc reads."
  }
  assert {
    condition     = startswith(output.ca_cert, "-----BEGIN CERTIFICATE-----")
    error_message = "The project's certificate authority is missing."
  }
}

run "plans_and_regions" {
  command = plan

  assert {
    condition     = [aiven_kafka.kirc.plan, aiven_pg.kirc.plan, aiven_valkey.kirc.plan] == ["free-0", "free-1-1gb", "free-1"]
    error_message = "Each service takes the plan of its type."
  }
  assert {
    condition     = [aiven_kafka.kirc.cloud_name, aiven_pg.kirc.cloud_name, aiven_valkey.kirc.cloud_name] == ["do-ams", "do-lon", "upcloud-de-fra"]
    error_message = "Each service takes the region of its plan."
  }
}

run "a_plan_that_refuses_settings_and_native_rights" {
  command = plan
  variables {
    topic_settings = false
    native_acls    = false
    retention      = "7d"
  }

  assert {
    condition     = length(aiven_kafka_native_acl.owner) + length(aiven_kafka_native_acl.peer) == 0
    error_message = "Kafka's own rules were made though the plan refuses them."
  }
  assert {
    condition = { for name, a in aiven_kafka_acl.peer : name => a.permission } == {
      "data-in" = "write", "data-out" = "readwrite", "rpc-in" = "write", "rpc-out" = "read"
    }
    error_message = "The cloud's own rules do not give contacts the same rights."
  }
  assert {
    condition     = output.env.KIRC_KAFKA_RETENTION == "7d" && local.retention_ms == "604800000"
    error_message = "Seven days are not seven days."
  }
}

run "mistakes" {
  command = plan
  variables {
    replication = 1
    retention   = "3 weeks"
    prefix      = "Kirc_"
  }
  expect_failures = [var.replication, var.retention, var.prefix]
}
