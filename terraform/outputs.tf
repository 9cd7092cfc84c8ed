locals {
  # service_port is for clients with certificates; users with passwords have a port of their own.
  bootstrap = one([
    for c in aiven_kafka.kirc.components : "${c.host}:${c.port}"
    if c.component == "kafka" && c.kafka_authentication_method == "sasl" && c.route == "dynamic"
  ])
}

output "services" {
  description = "The names of the services, for the console and for avn."
  value = {
    project = data.aiven_project.this.project
    kafka   = aiven_kafka.kirc.service_name
    pg      = aiven_pg.kirc.service_name
    valkey  = aiven_valkey.kirc.service_name
  }
}

output "ca_cert" {
  description = "The project's certificate authority: certs/ca.pem."
  value       = data.aiven_project.this.ca_cert
  sensitive   = true
}

output "env" {
  description = "Lines of .env by name. scripts/env-from-terraform writes them."
  sensitive   = true
  value = {
    KIRC_KAFKA               = local.bootstrap
    KIRC_KAFKA_SECURITY      = "sasl_ssl"
    KIRC_KAFKA_MECHANISM     = "SCRAM-SHA-512"
    KIRC_KAFKA_USER          = aiven_kafka_user.owner.username
    KIRC_KAFKA_PASSWORD      = aiven_kafka_user.owner.password
    KIRC_KAFKA_PEER_USER     = aiven_kafka_user.peer.username
    KIRC_KAFKA_PEER_PASSWORD = aiven_kafka_user.peer.password
    KIRC_KAFKA_TOPICS        = "{kind}"
    KIRC_KAFKA_REPLICATION   = tostring(var.replication)
    KIRC_KAFKA_RETENTION     = var.retention
    KIRC_VALKEY = format("valkeys://%s:%s@%s:%d",
      aiven_valkey_user.kirc.username, urlencode(aiven_valkey_user.kirc.password),
    aiven_valkey.kirc.service_host, aiven_valkey.kirc.service_port)
    KIRC_VALKEY_PREFIX = local.valkey_prefix
    # The service's own URI says sslmode=require, which trusts any certificate, and names another database.
    KIRC_POSTGRES = format("postgres://%s:%s@%s:%d/%s?sslmode=verify-full",
      aiven_pg.kirc.service_username, urlencode(aiven_pg.kirc.service_password),
    aiven_pg.kirc.service_host, aiven_pg.kirc.service_port, aiven_pg_database.kirc.database_name)
  }

  precondition {
    condition     = local.bootstrap != null
    error_message = "The Kafka service shows no address for users with passwords. Wait until it runs, check that SASL is on in its advanced configuration, and apply again."
  }
}
