# The services of one kirc grid on Aiven: Kafka (mailboxes and logs), Valkey (signals), PostgreSQL (the store).
# docs/cloud.md leads through it; scripts/setup-infra runs it; scripts/env-from-terraform makes `.env` of it.
terraform {
  required_version = ">= 1.7"
  required_providers {
    aiven = {
      source = "aiven/aiven"
      # Before 4.51 an unset cloud_name was sent as an empty text, which free plans refuse.
      version = ">= 4.51.0, < 5.0.0"
    }
  }
}

provider "aiven" {
  api_token = var.aiven_api_token
}

data "aiven_project" "this" {
  project = var.project
}
