module peer

go 1.19

require (
	github.com/go-micro/plugins/v4/transport/grpc v1.1.0
	go-micro.dev/v4 v4.11.0
)
