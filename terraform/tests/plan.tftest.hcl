# The choice of plan and region, with offers as the cloud makes them.

variables {
  service_type = "kafka"
  offers = [
    { plan = "business-4", clouds = ["aws-eu-central-1", "do-fra"] },
    { plan = "free-0", clouds = ["upcloud-de-fra", "aws-us-west-2", "do-lon", "do-ams"] },
    { plan = "startup-2", clouds = ["do-nyc"] },
  ]
}

run "the_free_plan_where_it_is_taken" {
  command = plan
  module {
    source = "./modules/plan"
  }

  assert {
    condition     = output.plan == "free-0" && output.cloud == "do-ams"
    error_message = "Got ${output.plan} in ${output.cloud}, not the free plan in the first cloud that takes it."
  }
}

run "a_region_that_was_named" {
  command = plan
  module {
    source = "./modules/plan"
  }
  variables {
    cloud_name = "do-lon"
  }

  assert {
    condition     = output.plan == "free-0" && output.cloud == "do-lon"
    error_message = "A region that was named was not taken."
  }
}

run "a_plan_that_was_named" {
  command = plan
  module {
    source = "./modules/plan"
  }
  variables {
    plan = "business-4"
  }

  assert {
    condition     = output.plan == "business-4" && output.cloud == null
    error_message = "A plan that was named goes to the project's own cloud."
  }
}

run "no_free_plan" {
  command = plan
  module {
    source = "./modules/plan"
  }
  variables {
    offers = [{ plan = "startup-2", clouds = ["do-nyc"] }]
  }
  expect_failures = [output.plan]
}

run "two_free_plans" {
  command = plan
  module {
    source = "./modules/plan"
  }
  variables {
    offers = [{ plan = "free-0", clouds = ["do-nyc"] }, { plan = "free-1", clouds = ["do-nyc"] }]
  }
  expect_failures = [output.plan]
}
