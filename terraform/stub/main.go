// Command terraform-provider-aiven stands in for the provider of that name where the real one cannot be fetched:
// it knows the names and types of what kirc's configuration uses, so that "validate" and "test" (with mock_provider)
// work without a network. It makes nothing: whatever would touch a cloud is refused.
package main

import (
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

func main() {
	serve := func() tfprotov6.ProviderServer { return &server{} }
	if err := tf6server.Serve("aiven/aiven", serve); err != nil {
		log.Fatal(err)
	}
}
