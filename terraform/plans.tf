data "aiven_service_plan_list" "kafka" {
  project      = data.aiven_project.this.project
  service_type = "kafka"
}

data "aiven_service_plan_list" "pg" {
  project      = data.aiven_project.this.project
  service_type = "pg"
}

data "aiven_service_plan_list" "valkey" {
  project      = data.aiven_project.this.project
  service_type = "valkey"
}

# One block a service and no for_each: not every tool lets a test stand in for one of several.
module "kafka_plan" {
  source       = "./modules/plan"
  service_type = "kafka"
  plan         = var.plans.kafka
  cloud_name   = var.cloud_name
  offers = [for p in data.aiven_service_plan_list.kafka.service_plans :
    { plan = p.service_plan, clouds = keys(p.regions) }
  ]
}

module "pg_plan" {
  source       = "./modules/plan"
  service_type = "pg"
  plan         = var.plans.pg
  cloud_name   = var.cloud_name
  offers = [for p in data.aiven_service_plan_list.pg.service_plans :
    { plan = p.service_plan, clouds = keys(p.regions) }
  ]
}

module "valkey_plan" {
  source       = "./modules/plan"
  service_type = "valkey"
  plan         = var.plans.valkey
  cloud_name   = var.cloud_name
  offers = [for p in data.aiven_service_plan_list.valkey.service_plans :
    { plan = p.service_plan, clouds = keys(p.regions) }
  ]
}
