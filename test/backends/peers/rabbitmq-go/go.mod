module rabbitmqgo

go 1.22

require (
	github.com/go-micro/plugins/v4/broker/rabbitmq v1.3.0
	go-micro.dev/v4 v4.11.0
)
