package main

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// What of the provider's schemas kirc uses, with the real one's names, types and flags (version 4.61.0).
// A name that is not listed here is an error in "validate"; so add it here when the configuration needs it.

type flag int

const (
	required flag = 1 << iota
	optional
	computed
	sensitive
)

var (
	text    = tftypes.String
	number  = tftypes.Number
	boolean = tftypes.Bool
	texts   = tftypes.List{ElementType: tftypes.String}

	components = tftypes.List{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"component":                   text,
		"connection_uri":              text,
		"host":                        text,
		"kafka_authentication_method": text,
		"kafka_ssl_ca":                text,
		"port":                        number,
		"privatelink_connection_id":   text,
		"route":                       text,
		"ssl":                         boolean,
		"usage":                       text,
	}}}

	// The real one's regions say more about each; the configuration reads their names only.
	regions = tftypes.Map{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{"price_usd": text}}}
)

func attribute(name string, kind tftypes.Type, flags flag) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{
		Name:      name,
		Type:      kind,
		Required:  flags&required != 0,
		Optional:  flags&optional != 0,
		Computed:  flags&computed != 0,
		Sensitive: flags&sensitive != 0,
	}
}

// One flag for several names of a kind.
func attributes(kind tftypes.Type, flags flag, names ...string) (out []*tfprotov6.SchemaAttribute) {
	for _, name := range names {
		out = append(out, attribute(name, kind, flags))
	}
	return out
}

func join(groups ...[]*tfprotov6.SchemaAttribute) (out []*tfprotov6.SchemaAttribute) {
	for _, group := range groups {
		out = append(out, group...)
	}
	return out
}

func block(attributes []*tfprotov6.SchemaAttribute, nested ...*tfprotov6.SchemaNestedBlock) *tfprotov6.SchemaBlock {
	return &tfprotov6.SchemaBlock{Attributes: attributes, BlockTypes: nested}
}

// A nested block; most: how many of them there may be, 0 for any number.
func nested(name string, most int64, inner *tfprotov6.SchemaBlock) *tfprotov6.SchemaNestedBlock {
	return &tfprotov6.SchemaNestedBlock{
		TypeName: name,
		Block:    inner,
		Nesting:  tfprotov6.SchemaNestedBlockNestingModeList,
		MaxItems: most,
	}
}

// What belongs to a service: a topic, a user, a rule.
func part(own ...[]*tfprotov6.SchemaAttribute) []*tfprotov6.SchemaAttribute {
	return join(append(own, attributes(text, required, "project", "service_name"), attributes(text, computed, "id"))...)
}

// What Kafka's and Valkey's users have in common.
func user(own ...[]*tfprotov6.SchemaAttribute) []*tfprotov6.SchemaAttribute {
	return part(append(own,
		attributes(text, required, "username"),
		attributes(text, optional|computed|sensitive, "password"),
		attributes(text, computed, "type"))...)
}

// A service and its settings.
func service(settings *tfprotov6.SchemaNestedBlock, own ...[]*tfprotov6.SchemaAttribute) *tfprotov6.SchemaBlock {
	return block(join(append(own,
		attributes(text, required, "project", "service_name", "plan"),
		attributes(text, optional, "cloud_name"),
		attributes(text, optional|computed, "id"),
		attributes(boolean, optional, "termination_protection"),
		attributes(text, computed, "service_host", "service_username", "state"),
		attributes(number, computed, "service_port"),
		attributes(text, computed|sensitive, "service_password", "service_uri"),
		attributes(components, computed, "components"))...), settings)
}

var providerBlock = block(attributes(text, optional|sensitive, "api_token"))

var dataSources = map[string]*tfprotov6.SchemaBlock{
	"aiven_project": block(join(
		attributes(text, required, "project"),
		attributes(text, computed|sensitive, "ca_cert"),
		attributes(text, computed, "default_cloud"),
		attributes(text, optional|computed, "id"))),
	"aiven_service_plan_list": block(
		join(attributes(text, required, "project", "service_type"), attributes(text, computed, "id")),
		nested("service_plans", 0, block(join(
			attributes(text, computed, "service_plan"),
			attributes(regions, computed, "regions"))))),
}

var resources = map[string]*tfprotov6.SchemaBlock{
	"aiven_kafka": service(
		nested("kafka_user_config", 1, block(
			join(
				attributes(text, optional, "kafka_version"),
				attributes(boolean, optional, "kafka_rest", "schema_registry", "letsencrypt_sasl")),
			nested("kafka_authentication_methods", 1, block(attributes(boolean, optional, "certificate", "sasl"))),
			nested("kafka_sasl_mechanisms", 1, block(
				attributes(boolean, optional, "plain", "scram_sha_256", "scram_sha_512"))))),
		attributes(boolean, optional, "default_acl")),
	"aiven_kafka_topic": block(
		part(
			attributes(text, required, "topic_name"),
			attributes(number, required, "partitions", "replication"),
			attributes(text, optional, "topic_description")),
		nested("config", 0, block(attributes(text, optional|computed,
			"cleanup_policy", "max_message_bytes", "message_timestamp_type", "retention_bytes", "retention_ms")))),
	"aiven_kafka_user": block(user(attributes(text, computed|sensitive, "access_cert", "access_key"))),
	"aiven_kafka_acl": block(part(
		attributes(text, required, "permission", "topic", "username"),
		attributes(text, computed, "acl_id"))),
	"aiven_kafka_native_acl": block(part(
		attributes(text, required,
			"operation", "pattern_type", "permission_type", "principal", "resource_name", "resource_type"),
		attributes(text, optional|computed, "host"))),
	"aiven_pg":          service(nested("pg_user_config", 1, block(attributes(text, optional, "pg_version")))),
	"aiven_pg_database": block(part(attributes(text, required, "database_name"))),
	"aiven_valkey": service(nested("valkey_user_config", 1, block(join(
		attributes(boolean, optional, "valkey_ssl"),
		attributes(text, optional,
			"valkey_acl_channels_default", "valkey_maxmemory_policy", "valkey_notify_keyspace_events"))))),
	"aiven_valkey_user": block(user(attributes(texts, optional,
		"valkey_acl_categories", "valkey_acl_channels", "valkey_acl_commands", "valkey_acl_keys"))),
}
