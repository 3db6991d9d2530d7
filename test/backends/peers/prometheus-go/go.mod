module peer

go 1.19

require (
	github.com/go-micro/plugins/v4/wrapper/monitoring/prometheus v1.2.0
	github.com/prometheus/client_golang v1.11.0
	go-micro.dev/v4 v4.11.0
)
