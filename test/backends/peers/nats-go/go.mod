module peer

go 1.19

require (
	github.com/go-micro/plugins/v4/broker/nats v1.2.0
	github.com/go-micro/plugins/v4/registry/nats v1.2.1
	go-micro.dev/v4 v4.11.0
)
